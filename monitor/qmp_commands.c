/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QMP's types, events and commands. Names and members are those of QEMU's public schema
 * (qapi/, 7.2), as far as they exist here. */
#include "config.h"

#if CONFIG_JANSSON
#include "monitor/qmp_internal.h"

#define OBJECT(name, members)               {name, QMP_OBJECT, members, NULL, NULL},
#define UNION(name, members, tag, variants) {name, QMP_OBJECT, members, tag, variants},
#define ENUM(name, values)                  {name, QMP_ENUM, values, NULL, NULL},
#define ALTERNATE(name, members)            {name, QMP_ALTERNATE, members, NULL, NULL},

const struct qmp_type qmp_types[] = {
    /* clang-format off */
    ENUM("QMPCapability", "oob")
    OBJECT("VersionTriple", "major:int minor:int micro:int")
    OBJECT("VersionInfo", "qemu:VersionTriple package:str")
    OBJECT("CommandInfo", "name:str")
    OBJECT("EventInfo", "name:str")
    OBJECT("NameInfo", "?name:str")
    OBJECT("UuidInfo", "UUID:str")
    OBJECT("KvmInfo", "enabled:bool present:bool")
    OBJECT("TargetInfo", "arch:SysEmuTarget")
    ENUM("SysEmuTarget", "x86_64")
    OBJECT("MachineInfo", "name:str ?alias:str ?is-default:bool cpu-max:int hotpluggable-cpus:bool "
           "numa-mem-supported:bool deprecated:bool ?default-cpu-type:str ?default-ram-id:str")
    OBJECT("CurrentMachineParams", "wakeup-suspend-support:bool")
    OBJECT("MemoryInfo", "base-memory:int ?plugged-memory:int")
    OBJECT("Memdev", "?id:str size:int merge:bool dump:bool prealloc:bool share:bool "
           "?reserve:bool host-nodes:[int] policy:HostMemPolicy")
    ENUM("HostMemPolicy", "default preferred bind interleave")
    OBJECT("ChardevInfo", "label:str filename:str frontend-open:bool")
    OBJECT("CommandLineParameterInfo", "name:str type:CommandLineParameterType ?help:str")
    ENUM("CommandLineParameterType", "string boolean number size")
    OBJECT("CommandLineOptionInfo", "option:str parameters:[CommandLineParameterInfo]")
    OBJECT("IOThreadInfo", "id:str thread-id:int poll-max-ns:int poll-grow:int poll-shrink:int "
           "aio-max-batch:int")
    OBJECT("SchemaInfo", "name:str meta-type:str *")

    ENUM("RunState", "debug inmigrate internal-error io-error paused postmigrate prelaunch "
         "finish-migrate restore-vm running save-vm shutdown suspended watchdog guest-panicked colo")
    ENUM("WatchdogAction", "reset shutdown poweroff pause debug none inject-nmi")
    ENUM("GuestPanicAction", "pause poweroff run")
    OBJECT("StatusInfo", "running:bool singlestep:bool status:RunState")
    ENUM("ShutdownCause", "none host-error host-qmp-quit host-qmp-system-reset host-signal host-ui "
         "guest-shutdown guest-reset guest-panic subsystem-reset snapshot-load")

    OBJECT("CpuInstanceProperties", "?node-id:int ?socket-id:int ?die-id:int ?cluster-id:int "
           "?core-id:int ?thread-id:int")
    OBJECT("CpuInfoFast", "cpu-index:int qom-path:str thread-id:int ?props:CpuInstanceProperties "
           "target:SysEmuTarget")
    OBJECT("HotpluggableCPU", "type:str vcpus-count:int props:CpuInstanceProperties ?qom-path:str")
    OBJECT("CpuDefinitionInfo", "name:str ?migration-safe:bool static:bool "
           "?unavailable-features:[str] typename:str ?alias-of:str deprecated:bool")
    ENUM("CpuModelExpansionType", "static full")
    OBJECT("CpuModelInfo", "name:str ?props:any")
    OBJECT("CpuModelExpansionInfo", "model:CpuModelInfo")

    OBJECT("ObjectTypeInfo", "name:str ?abstract:bool ?parent:str")
    OBJECT("ObjectPropertyInfo", "name:str type:str ?description:str ?default-value:any")
    ENUM("ObjectType", "memory-backend-ram memory-backend-memfd secret")
    UNION("ObjectOptions", "qom-type:ObjectType id:str", "qom-type",
          "memory-backend-ram=MemoryBackendProperties memory-backend-memfd=MemoryBackendProperties "
          "secret=SecretProperties")
    OBJECT("MemoryBackendProperties", "size:int ?share:bool")
    OBJECT("SecretProperties", "?data:str ?file:str ?format:QCryptoSecretFormat")
    ENUM("QCryptoSecretFormat", "raw base64")

    OBJECT("PciInfo", "bus:int devices:[PciDeviceInfo]")
    OBJECT("PciDeviceInfo", "bus:int slot:int function:int class_info:PciDeviceClass "
           "id:PciDeviceId ?irq:int irq_pin:int qdev_id:str regions:[PciMemoryRegion]")
    OBJECT("PciDeviceClass", "?desc:str class:int")
    OBJECT("PciDeviceId", "device:int vendor:int ?subsystem:int ?subsystem-vendor:int")
    OBJECT("PciMemoryRegion", "bar:int type:str address:int size:int ?prefetch:bool "
           "?mem_type_64:bool")

    ENUM("TpmModel", "")
    ENUM("TpmType", "")
    OBJECT("TPMInfo", "id:str model:TpmModel")
    ENUM("MigrationCapability", "events")
    OBJECT("MigrationCapabilityStatus", "capability:MigrationCapability state:bool")
    ENUM("MigrationStatus", "none setup cancelling cancelled active completed failed device")
    OBJECT("MigrationStats", "transferred:int remaining:int total:int duplicate:int skipped:int "
           "normal:int normal-bytes:int mbps:number dirty-sync-count:int page-size:int")
    OBJECT("MigrationInfo", "?status:MigrationStatus ?ram:MigrationStats ?total-time:int "
           "?expected-downtime:int ?downtime:int ?setup-time:int ?cpu-throttle-percentage:int "
           "?error-desc:str")
    ENUM("MigrationCompression", "none zlib zstd")
    OBJECT("MigrationParameters", "?max-bandwidth:int ?downtime-limit:int "
           "?compression:MigrationCompression")
    OBJECT("BalloonInfo", "actual:int")
    OBJECT("SevCapability", "pdh:str cert-chain:str cbitpos:int reduced-phys-bits:int")
    OBJECT("SGXInfo", "sgx:bool sgx1:bool sgx2:bool flc:bool")
    ENUM("JobType", "snapshot-save snapshot-load snapshot-delete")
    ENUM("JobStatus", "undefined created running paused ready standby waiting pending aborting "
         "concluded null")
    OBJECT("JobInfo", "id:str type:JobType status:JobStatus current-progress:int "
           "total-progress:int ?error:str")
    OBJECT("BlockJobInfo", "type:str device:str len:int offset:int busy:bool paused:bool speed:int")
    ENUM("StatsTarget", "vm vcpu")
    OBJECT("StatsResult", "provider:str ?qom-path:str stats:[any]")
    OBJECT("StatsSchema", "provider:str target:StatsTarget stats:[any]")

    ENUM("IoOperationType", "read write")
    ENUM("BlockErrorAction", "ignore report stop")
    ENUM("BlockdevChangeReadOnlyMode", "retain read-only read-write")
    ENUM("BlockDeviceIoStatus", "ok failed nospace")
    ENUM("BlockdevDetectZeroesOptions", "off on unmap")
    OBJECT("BlockInfo", "device:str ?qdev:str type:str removable:bool locked:bool "
           "?inserted:BlockDeviceInfo ?tray_open:bool ?io-status:BlockDeviceIoStatus")
    OBJECT("BlockDeviceInfo", "file:str ?node-name:str ro:bool drv:str ?backing_file:str "
           "backing_file_depth:int encrypted:bool detect_zeroes:BlockdevDetectZeroesOptions "
           "bps:int bps_rd:int bps_wr:int iops:int iops_rd:int iops_wr:int image:ImageInfo "
           "cache:BlockdevCacheInfo write_threshold:int")
    OBJECT("BlockdevCacheInfo", "writeback:bool direct:bool no-flush:bool")
    OBJECT("ImageInfo", "filename:str format:str ?dirty-flag:bool ?actual-size:int "
           "virtual-size:int ?cluster-size:int ?backing-filename:str ?backing-filename-format:str")
    OBJECT("BlockStats", "?device:str ?qdev:str ?node-name:str stats:BlockDeviceStats")
    OBJECT("BlockDeviceStats", "rd_bytes:int wr_bytes:int unmap_bytes:int rd_operations:int "
           "wr_operations:int flush_operations:int unmap_operations:int rd_total_time_ns:int "
           "wr_total_time_ns:int flush_total_time_ns:int unmap_total_time_ns:int "
           "wr_highest_offset:int rd_merged:int wr_merged:int unmap_merged:int "
           "failed_rd_operations:int failed_wr_operations:int failed_flush_operations:int "
           "failed_unmap_operations:int invalid_rd_operations:int invalid_wr_operations:int "
           "invalid_flush_operations:int invalid_unmap_operations:int account_invalid:bool "
           "account_failed:bool timed_stats:[any]")
    ENUM("ImageFormat", "ppm png")
    UNION("KeyValue", "type:KeyValueKind", "type", "number=IntWrapper qcode=QKeyCodeWrapper")
    ENUM("KeyValueKind", "number qcode")
    OBJECT("IntWrapper", "data:int")
    OBJECT("QKeyCodeWrapper", "data:str")
    UNION("InputEvent", "type:InputEventKind", "type",
          "key=InputKeyEventWrapper btn=InputBtnEventWrapper rel=InputMoveEventWrapper "
          "abs=InputMoveEventWrapper")
    ENUM("InputEventKind", "key btn rel abs")
    OBJECT("InputKeyEventWrapper", "data:InputKeyEvent")
    OBJECT("InputKeyEvent", "key:KeyValue down:bool")
    OBJECT("InputBtnEventWrapper", "data:InputBtnEvent")
    OBJECT("InputBtnEvent", "button:InputButton down:bool")
    ENUM("InputButton", "left middle right wheel-up wheel-down side extra wheel-left wheel-right")
    OBJECT("InputMoveEventWrapper", "data:InputMoveEvent")
    OBJECT("InputMoveEvent", "axis:InputAxis value:int")
    ENUM("InputAxis", "x y")
    ENUM("DisplayProtocol", "vnc spice")
    ENUM("SetPasswordAction", "keep fail disconnect")
    ENUM("NetworkAddressFamily", "ipv4 ipv6 unix vsock unknown")
    OBJECT("VncInfo",
           "enabled:bool ?host:str ?family:NetworkAddressFamily ?service:str ?auth:str "
           "?clients:[VncClientInfo]")
    OBJECT("VncInfo2", "id:str server:[VncServerInfo] clients:[VncClientInfo] auth:VncPrimaryAuth")
    ENUM("VncPrimaryAuth", "none vnc")
    OBJECT("VncBasicInfo", "host:str service:str family:NetworkAddressFamily websocket:bool")
    OBJECT("VncClientInfo", "host:str service:str family:NetworkAddressFamily websocket:bool")
    OBJECT("VncServerInfo",
           "host:str service:str family:NetworkAddressFamily websocket:bool ?auth:str")
    OBJECT("MouseInfo", "name:str index:int current:bool absolute:bool")
    ENUM("NetClientDriver", "user socket stream dgram tap hubport")
    OBJECT("RxFilterInfo",
           "name:str promiscuous:bool multicast:RxState unicast:RxState vlan:RxState "
           "broadcast-allowed:bool multicast-overflow:bool unicast-overflow:bool main-mac:str "
           "vlan-table:[int] unicast-table:[str] multicast-table:[str]")
    ENUM("RxState", "normal none all")
    {NULL, QMP_OBJECT, NULL, NULL, NULL},
    /* clang-format on */
};

const struct qmp_event_row qmp_events[] = {
    {"SHUTDOWN", "guest:bool reason:ShutdownCause"},
    {"POWERDOWN", ""},
    {"RESET", "guest:bool reason:ShutdownCause"},
    {"STOP", ""},
    {"WATCHDOG", "action:WatchdogAction"},
    {"GUEST_PANICKED", "action:GuestPanicAction"},
    {"BALLOON_CHANGE", "actual:int"},
    {"GUEST_CRASHLOADED", "action:GuestPanicAction"},
    {"RESUME", ""},
    {"BLOCK_IO_ERROR",
     "device:str ?node-name:str operation:IoOperationType action:BlockErrorAction "
     "?nospace:bool reason:str"},
    {"DEVICE_TRAY_MOVED", "device:str id:str tray-open:bool"},
    {"MIGRATION", "status:MigrationStatus"},
    {"JOB_STATUS_CHANGE", "id:str status:JobStatus"},
    {"VNC_CONNECTED", "server:VncServerInfo client:VncBasicInfo"},
    {"VNC_INITIALIZED", "server:VncServerInfo client:VncClientInfo"},
    {"VNC_DISCONNECTED", "server:VncServerInfo client:VncClientInfo"},
    {NULL, NULL},
};

/* Not called: a session answers it itself, before it has the machine. */
static json_t *negotiated_already(struct qmp_call *call, json_t *args, struct error *err)
{
    (void)call, (void)args;
    error_set(err, "internal: negotiation is the session's");
    return NULL;
}

const struct qmp_command qmp_commands[] = {
    {"qmp_capabilities", "?enable:[QMPCapability]", "", negotiated_already, false},
    {"query-version", "", "VersionInfo", qmp_query_version, false},
    {"query-commands", "", "[CommandInfo]", qmp_query_commands, false},
    {"query-qmp-schema", "", "[SchemaInfo]", qmp_query_schema, false},
    {"query-events", "", "[EventInfo]", qmp_query_events, false},
    {"query-name", "", "NameInfo", qmp_query_name, false},
    {"query-uuid", "", "UuidInfo", qmp_query_uuid, false},
    {"query-status", "", "StatusInfo", qmp_query_status, false},
    {"query-kvm", "", "KvmInfo", qmp_query_kvm, false},
    {"query-target", "", "TargetInfo", qmp_query_target, false},
    {"query-machines", "", "[MachineInfo]", qmp_query_machines, false},
    {"query-current-machine", "", "CurrentMachineParams", qmp_query_current_machine, false},
    {"query-memory-size-summary", "", "MemoryInfo", qmp_query_memory, false},
    {"query-memdev", "", "[Memdev]", qmp_query_memdev, false},
    {"query-chardev", "", "[ChardevInfo]", qmp_query_chardev, false},
    {"query-command-line-options", "?option:str", "[CommandLineOptionInfo]", qmp_query_options,
     false},
    {"query-pci", "", "[PciInfo]", qmp_query_pci, false},
    {"query-iothreads", "", "[IOThreadInfo]", qmp_empty_list, false},
    {"query-tpm", "", "[TPMInfo]", qmp_empty_list, false},
    {"query-tpm-models", "", "[TpmModel]", qmp_empty_list, false},
    {"query-tpm-types", "", "[TpmType]", qmp_empty_list, false},
    {"snapshot-save", "job-id:str tag:str vmstate:str devices:[str]", "", qmp_snapshot_save, false},
    {"snapshot-load", "job-id:str tag:str vmstate:str devices:[str]", "", qmp_snapshot_load, false},
    {"snapshot-delete", "job-id:str tag:str devices:[str]", "", qmp_snapshot_delete, false},
    {"query-jobs", "", "[JobInfo]", qmp_query_jobs, false},
    {"job-cancel", "id:str", "", qmp_job_cancel, false},
    {"job-dismiss", "id:str", "", qmp_job_dismiss, false},
    {"query-block-jobs", "", "[BlockJobInfo]", qmp_empty_list, false},
    {"query-stats", "target:StatsTarget ?vcpus:[str] ?providers:[any]", "[StatsResult]",
     qmp_empty_list, false},
    {"query-stats-schemas", "?provider:str", "[StatsSchema]", qmp_empty_list, false},
    {"getfd", "fdname:str", "", qmp_getfd, false},
    {"closefd", "fdname:str", "", qmp_closefd, false},
    {"migrate", "uri:str ?detach:bool", "", qmp_migrate, false},
    {"migrate_cancel", "", "", qmp_migrate_cancel, false},
    {"migrate-incoming", "uri:str", "", qmp_migrate_incoming, false},
    {"query-migrate", "", "MigrationInfo", qmp_query_migrate, false},
    {"migrate-set-parameters",
     "?max-bandwidth:int ?downtime-limit:int ?compression:MigrationCompression", "",
     qmp_migrate_set_parameters, false},
    {"query-migrate-parameters", "", "MigrationParameters", qmp_query_migrate_parameters, false},
    {"query-migrate-capabilities", "", "[MigrationCapabilityStatus]",
     qmp_query_migrate_capabilities, false},
    {"migrate-set-capabilities", "capabilities:[MigrationCapabilityStatus]", "",
     qmp_migrate_set_capabilities, false},
    {"query-balloon", "", "BalloonInfo", qmp_query_balloon, false},
    {"balloon", "value:int", "", qmp_balloon, false},
    {"query-sev-capabilities", "", "SevCapability", qmp_no_sev, false},
    {"query-sgx-capabilities", "", "SGXInfo", qmp_no_sgx, false},

    {"query-cpus-fast", "", "[CpuInfoFast]", qmp_query_cpus, false},
    {"query-hotpluggable-cpus", "", "[HotpluggableCPU]", qmp_query_hotpluggable, false},
    {"query-cpu-definitions", "", "[CpuDefinitionInfo]", qmp_query_cpu_definitions, false},
    {"query-cpu-model-expansion", "type:CpuModelExpansionType model:CpuModelInfo",
     "CpuModelExpansionInfo", qmp_expand_model, false},

    {"qom-list", "path:str", "[ObjectPropertyInfo]", qmp_qom_list, false},
    {"qom-get", "path:str property:str", "any", qmp_qom_get, false},
    {"qom-set", "path:str property:str value:any", "", qmp_qom_set, false},
    {"qom-list-types", "?implements:str ?abstract:bool", "[ObjectTypeInfo]", qmp_qom_list_types,
     false},
    {"qom-list-properties", "typename:str", "[ObjectPropertyInfo]", qmp_qom_list_properties, false},
    {"device-list-properties", "typename:str", "[ObjectPropertyInfo]", qmp_device_list_properties,
     false},
    {"object-add", "qom-type:str id:str *", "", qmp_object_add, false},
    {"object-del", "id:str", "", qmp_object_del, false},
    {"device_add", "driver:str ?bus:str ?id:str *", "", qmp_device_add, false},
    {"device_del", "id:str", "", qmp_device_del, false},

    {"query-block", "", "[BlockInfo]", qmp_query_block, false},
    {"query-named-block-nodes", "?flat:bool", "[BlockDeviceInfo]", qmp_query_named_nodes, false},
    {"query-blockstats", "?query-nodes:bool", "[BlockStats]", qmp_query_blockstats, false},
    {"eject", "?device:str ?id:str ?force:bool", "", qmp_eject, false},
    {"blockdev-open-tray", "?device:str ?id:str ?force:bool", "", qmp_open_tray, false},
    {"blockdev-close-tray", "?device:str ?id:str", "", qmp_close_tray, false},
    {"blockdev-change-medium",
     "?device:str ?id:str filename:str ?format:str ?force:bool "
     "?read-only-mode:BlockdevChangeReadOnlyMode",
     "", qmp_change_medium, false},

    {"set_link", "name:str up:bool", "", qmp_set_link, false},
    {"netdev_add", "type:NetClientDriver id:str *", "", qmp_netdev_add, false},
    {"netdev_del", "id:str", "", qmp_netdev_del, false},
    {"query-rx-filter", "?name:str", "[RxFilterInfo]", qmp_query_rx_filter, false},

    {"stop", "", "", qmp_stop, false},
    {"cont", "", "", qmp_cont, false},
    {"quit", "", "", qmp_quit, false},
    {"system_reset", "", "", qmp_system_reset, false},
    {"system_powerdown", "", "", qmp_system_powerdown, false},
    {"system_wakeup", "", "", qmp_system_wakeup, false},
    {"inject-nmi", "", "", qmp_inject_nmi, false},
    {"memsave", "val:int size:int filename:str ?cpu-index:int", "", qmp_memsave, true},
    {"pmemsave", "val:int size:int filename:str", "", qmp_pmemsave, true},
    {"human-monitor-command", "command-line:str ?cpu-index:int", "str", qmp_human_command, true},
    {"send-key", "keys:[KeyValue] ?hold-time:int", "", qmp_send_key, false},
    {"input-send-event", "?device:str ?head:int events:[InputEvent]", "", qmp_input_event, false},
    {"screendump", "filename:str ?device:str ?head:int ?format:ImageFormat", "", qmp_screendump,
     false},
    {"set_password",
     "protocol:DisplayProtocol password:str ?connected:SetPasswordAction ?display:str", "",
     qmp_set_password, false},
    {"expire_password", "protocol:DisplayProtocol time:str ?display:str", "", qmp_expire_password,
     false},
    {"change-vnc-password", "password:str", "", qmp_change_vnc_password, false},
    {"query-vnc", "", "VncInfo", qmp_query_vnc, false},
    {"query-vnc-servers", "", "[VncInfo2]", qmp_query_vnc_servers, false},
    {"query-mice", "", "[MouseInfo]", qmp_query_mice, false},
    {NULL, NULL, NULL, NULL, false},
};
#endif
