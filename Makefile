# orchlua. `make` builds into build/ and installs nothing; `make demo` and
# `make test` first install what is missing. The targets:
#   make demo    a real orchestration on real files, with agents of your own machine
#   make test    every spec                 make lint    luacheck, strict C with gcc and clang
#   make asan    the specs under sanitizers make bench   figures beside their floors [ONLY=models|memory|durable]
#   make fuzz    the compiler and the core's readers, fed what libFuzzer comes up with [TARGETS=… SECONDS=…]
#   make soak    10,000 runs in virtual time, then ten minutes of runs, kills and resumes [RUNS=… SECONDS=… SEED=…]
#   make gc      specs while Lua collects garbage all the time
#   make valgrind     the whole command under valgrind
#   make instructions what fixed work costs, beside the counts in bench/instructions.json [UPDATE=1 keeps these]
#   make vendors the specs' stand-in for model servers, asked by the vendors' own clients (from npm)
#   make install PREFIX=… [DESTDIR=…]       make clean
#   make rock    a LuaRocks install into build/rock; make rockspec brings its list of files up to date

PREFIX  ?= /usr/local
DESTDIR ?=
LUA     ?= lua5.4
BUSTED  ?= /usr/bin/busted
CC      ?= cc
CFLAGS  ?= -O2 -g
B       ?= build

PKG     := lua5.4 libuv libcurl libmd sqlite3
LIBS    := libuv libmd sqlite3
STRICT  := -std=c11 -D_GNU_SOURCE -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror
CORE    := $(B)/lib/orchlua/core.so
OBJECTS := $(patsubst core/%.c,$(B)/core/%.o,$(wildcard core/*.c))
MODULES  = LUA_PATH='$(CURDIR)/lua/?.lua;$(CURDIR)/lua/?/init.lua;;' LUA_CPATH='$(CURDIR)/$(B)/lib/?.so;;'
SPECS   ?= spec

.PHONY: all
all: $(CORE) $(B)/orchlua $(B)/orchlua.luac

$(B)/core/%.o: core/%.c $(wildcard core/*.h) Makefile
	@mkdir -p $(@D)
	$(CC) $(STRICT) -fPIC -fvisibility=hidden $(CFLAGS) $$(pkg-config --cflags $(PKG)) -c $< -o $@

$(CORE): $(OBJECTS)
	@mkdir -p $(@D)
	$(CC) -shared $(CFLAGS) $(LDFLAGS) $^ -o $@ $$(pkg-config --libs $(LIBS))

# It names the interpreter that the bytecode is made for, so that none is searched for.
$(B)/orchlua: bin/orchlua Makefile
	@mkdir -p $(@D)
	sed "1s|.*|#!$$(command -v $(LUA))|" bin/orchlua > $@
	chmod +x $@

# What the command is made of, as bytecode in one file: it starts in a fraction of the time.
$(B)/orchlua.luac: tools/bundle.lua $(shell find -L lua -name '*.lua')
	@mkdir -p $(@D)
	$(LUA) tools/bundle.lua $@

.PHONY: demo
demo:
	@tools/setup
	@$(MAKE) --no-print-directory -s all
	@echo; echo "A pipeline: four programs collect, clean, analyse and report on a CSV file."; echo
	@$(B)/orchlua examples/pipeline/pipeline.dsl
	@echo; echo "A code review: a pipeline whose middle stage is a scatter-gather over C files."; echo
	@$(B)/orchlua examples/combined/combined.dsl
	@echo; echo "The programs are examples/pipeline/pipeline.dsl and examples/combined/combined.dsl; examples/README.md has five more."

.PHONY: test
test:
	@tools/setup --test
	@$(MAKE) --no-print-directory all
	@tools/specs $(MODULES) $(LUA) $(BUSTED) $(SPECS)

.PHONY: lint
lint:
	luacheck --quiet lua patterns spec bench fuzz tools/*.lua bin/orchlua examples
	@for compiler in gcc clang; do \
	  command -v $$compiler >/dev/null || { echo "lint: no $$compiler here, passed over"; continue; }; \
	  echo "$$compiler: core/*.c fuzz/host.c"; \
	  $$compiler $(STRICT) $$(pkg-config --cflags $(PKG)) -fsyntax-only core/*.c fuzz/host.c || exit 1; \
	done

# The specs under AddressSanitizer and UndefinedBehaviorSanitizer, leaks included.
SANITIZE := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
A        := build/asan
.PHONY: asan
asan:
	@$(MAKE) --no-print-directory -s B=$(A) CC=gcc CFLAGS='$(SANITIZE)' LDFLAGS='-Wl,-z,nodelete' all
	@gcc $(STRICT) $(SANITIZE) $$(pkg-config --cflags lua5.4) spec/support/host.c -o $(A)/lua $$(pkg-config --libs lua5.4) -Wl,-E
	@printf '#!/bin/sh\nexec "%s/$(A)/lua" "%s/bin/orchlua" "$$@"\n' '$(CURDIR)' '$(CURDIR)' > $(A)/orchlua
	@tools/specs ORCHLUA=$(A)/orchlua $(subst build/lib,$(A)/lib,$(MODULES)) $(A)/lua $(BUSTED) $(SPECS)

# Specs while Lua collects garbage all the time: what C code holds and Lua does not know of is
# gone then, and what was freed is written over.
G := build/collect.so
$(G): spec/support/collect.c Makefile
	@mkdir -p $(@D)
	$(CC) $(STRICT) -O1 -shared -fPIC -Wl,-z,nodelete $$(pkg-config --cflags lua5.4) $< -o $@

.PHONY: gc
gc: all $(G)
	@tools/specs MALLOC_PERTURB_=165 ORCHLUA_SPEC_GC=$(G) $(MODULES) $(LUA) $(BUSTED) spec/core spec/run spec/store

# Specs that run the whole command, under valgrind; those that want it to be quick are left out.
.PHONY: valgrind
valgrind: all
	@tools/valgrind $(CURDIR)/$(B)/orchlua $(CURDIR)/$(B)/valgrind $(MODULES) $(LUA) $(BUSTED) \
	  --filter-out=Ctrl.C --filter-out=processor spec/seed_spec.lua spec/examples_spec.lua spec/command/run_spec.lua

.PHONY: instructions
instructions: all
	@command -v valgrind >/dev/null || { echo "make instructions: valgrind is not installed: tools/setup --test installs it"; exit 1; }
	@$(MODULES) $(LUA) bench/instructions.lua $(if $(UPDATE),update)

# The targets fuzz/*.lua, each for so many seconds, from the inputs in fuzz/corpus. Needs
# clang, and its libFuzzer.
TARGETS ?= $(sort $(basename $(notdir $(wildcard fuzz/*.lua))))
F       := build/fuzz
.PHONY: fuzz
fuzz:
	@tools/setup --fuzz
	@echo 'int LLVMFuzzerTestOneInput(void) { return 0; }' | clang -x c -fsanitize=fuzzer,address,undefined - -o /dev/null 2>/dev/null || \
	  { echo "fuzz: no clang with libFuzzer here; on Debian: apt-get install clang libclang-rt-dev"; exit 1; }
	@$(MAKE) --no-print-directory -s B=$(F) CC=clang CFLAGS='$(SANITIZE) -fsanitize=fuzzer-no-link' $(F)/host
	@tools/fuzz $(or $(SECONDS),60) $(TARGETS)

$(B)/host: fuzz/host.c spec/support/answer.c $(OBJECTS) Makefile
	clang $(STRICT) $(SANITIZE) -fsanitize=fuzzer $$(pkg-config --cflags lua5.4) fuzz/host.c spec/support/answer.c $(OBJECTS) -o $@ $$(pkg-config --libs lua5.4 $(LIBS)) -Wl,-E

# Needs node and npm, and says so where they are missing.
.PHONY: vendors
vendors: all
	@tools/vendors $(MODULES) $(LUA) $(BUSTED)

$(B)/bench/stub: bench/stub.c Makefile
	@mkdir -p $(@D)
	$(CC) $(STRICT) $(CFLAGS) $$(pkg-config --cflags libuv) $< -o $@ $$(pkg-config --libs libuv)

.PHONY: bench
bench: all $(B)/bench/stub
	@tools/setup --bench
	@ONLY=$(ONLY) $(MODULES) $(LUA) bench/run.lua

# The figures of the last `make bench`, into the page that tells how they come about.
.PHONY: figures
figures:
	@$(MODULES) $(LUA) tools/figures.lua $(B)/bench/figures.json docs/performance.md

# Runs by the thousand, to their end: RUNS over an hour of virtual time, then SECONDS of real
# time in which drivers are killed and resumed.
.PHONY: soak
soak: all
	@tools/soak $(MODULES) $(LUA) $(or $(RUNS),10000) $(or $(SECONDS),600) $(or $(SEED),1)

.PHONY: install
install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib/orchlua $(DESTDIR)$(PREFIX)/lib/lua/5.4/orchlua $(DESTDIR)$(PREFIX)/share/lua/5.4
	install -m 755 $(B)/orchlua $(DESTDIR)$(PREFIX)/bin/orchlua
	install -m 644 $(B)/orchlua.luac $(DESTDIR)$(PREFIX)/lib/orchlua/orchlua.luac
	install -m 755 $(CORE) $(DESTDIR)$(PREFIX)/lib/lua/5.4/orchlua/core.so
	cd lua && find -L orchlua -name '*.lua' -exec install -D -m 644 {} $(DESTDIR)$(PREFIX)/share/lua/5.4/{} \;

# A LuaRocks install into a tree of its own, without a network: what Debian's packages
# bring counts as installed.
R := build/rock
.PHONY: rock
rock:
	@mkdir -p $(R)
	@printf 'rocks_servers = {}\nrocks_provided = { lpeg = "1.0.2-1", argparse = "0.7.1-1", luafilesystem = "1.8.0-1", lyaml = "6.2.8-1" }\n' > $(R)/config.lua
	@rm -rf $(R)/source && mkdir -p $(R)/source && cp -r bin core docs examples lua patterns rocks $(R)/source
	cd $(R)/source && export LUAROCKS_CONFIG=../config.lua && luarocks lint rocks/orchlua-scm-1.rockspec && \
	  luarocks --lua-version 5.4 --tree ../tree make rocks/orchlua-scm-1.rockspec
	@echo "installed: $(R)/tree/bin/orchlua"

.PHONY: rockspec
rockspec:
	$(LUA) rocks/modules.lua rocks/orchlua-scm-1.rockspec

.PHONY: clean
clean:
	rm -rf $(B)
