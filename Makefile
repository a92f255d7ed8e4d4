# Calque: one Makefile. `make help` lists the targets.
CC      ?= gcc
CFLAGS  ?= -O2 -g
WARN     = -Wall -Wextra -Wshadow -Wstrict-prototypes
BUILD   ?= build
all:
	@echo "being built"
