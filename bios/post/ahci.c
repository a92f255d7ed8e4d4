#include "post.h"
void ahci_init(void){}
u32 ahci_request(struct disk_request *q){(void)q;return 1;}
void virtio_init(void){}
u32 virtio_request(struct disk_request *q){(void)q;return 1;}
