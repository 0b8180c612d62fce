# SPDX-License-Identifier: BSD-2-Clause
#
# Builds, tests and installs osync. `make help` lists the targets.
#
# One makefile, no list of files to keep: sources and tests are found. Every
# variant (release, asan, ...) has its own tree below build/, so switching
# between them rebuilds nothing. Where a target calls $(MAKE), it is this same
# file again, only to do things strictly one after the other.

VERSION := 0.1.0
PREFIX  ?= /usr/local

ifeq ($(origin CC),default)
CC := gcc
endif

# Processors to use. Most system tests wait for a timer or a socket, so they
# are given more workers than there are processors, unless JOBS says otherwise.
PYTEST_JOBS := $(if $(JOBS),$(JOBS),6)
JOBS ?= $(shell nproc)

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules --no-print-directory
ifeq ($(MAKELEVEL),0)
MAKEFLAGS += -j$(JOBS)
endif

# V=1 shows the commands.
Q   := $(if $(V),,@)
say  = $(if $(V),:,printf '  %-7s %s\n' "$1" "$2")

# Sources and tests -----------------------------------------------------------

LIB_SRCS   := $(sort $(wildcard src/*/*.c))
MAIN       := $(wildcard src/main.c)
HEADERS    := $(sort $(wildcard src/*/*.h))
UNIT_TESTS := $(sort $(wildcard tests/unit/test_*.c))
UNIT_HELP  := $(sort $(filter-out $(UNIT_TESTS),$(wildcard tests/unit/*.c)))
FUZZERS    := $(sort $(wildcard tests/fuzz/fuzz_*.c))
TOOLS      := $(sort $(wildcard tests/tools/*.c))
SHIM       := build/fault/tests/shim/periods.so
PY_TESTS   := $(sort $(wildcard tests/*/test_*.py))
C_FILES    := $(MAIN) $(LIB_SRCS) $(HEADERS) $(wildcard tests/*/*.c tests/*/*.h)

# Flags -----------------------------------------------------------------------

WARNINGS := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion \
	-Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition -Wvla \
	-Wswitch-enum -Wnull-dereference -Wundef -Wformat=2 -Wcast-qual \
	-Wcast-align -Wwrite-strings -Wpointer-arith -Wredundant-decls \
	-Wnested-externs -Wdate-time -Walloca
WARNINGS_GCC := -Wlogical-op -Wduplicated-cond -Wduplicated-branches \
	-Wjump-misses-init -Wformat-signedness

BASE := -std=gnu11 -D_GNU_SOURCE -Isrc -pthread -fno-common $(if $(WERROR),-Werror)

# A variant is a compiler, flags to compile, flags to link.
VARIANTS := release asan fault small fuzz cov gcc clang analyze

SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
# The sanitizers' own branches set off the flow-based warnings; the other
# variants keep them on.
QUIET_FLOW := -Wno-null-dereference -Wno-uninitialized
HARDEN := -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3 -fPIE -fstack-protector-strong \
	-fstack-clash-protection

# What is installed, and what the benchmarks measure. A run that finds nothing spends its time in small functions
# of other files, and takes 3 to 8 % less where they are inlined.
CC_release      := $(CC)
CFLAGS_release  := -O2 -g -flto=auto $(HARDEN)
LDFLAGS_release := -O2 -flto=auto -pie -Wl,-z,relro,-z,now,-z,noexecstack

# What the tests run.
CC_asan         := $(CC)
CFLAGS_asan     := -O1 -g $(SANITIZE) -DOSYNC_FAULTS
# gcc's shared libubsan ignores the log_path that scripts/run-pytest looks into.
LDFLAGS_asan    := $(SANITIZE) $(if $(findstring clang,$(CC)),,-static-libasan -static-libubsan)

# Fault points without sanitizers: several times as fast, for tests
# that run the program thousands of times.
CC_fault        := $(CC)
CFLAGS_fault    := -O1 -g -DOSYNC_FAULTS

# The same with the ways of large and many files for small and few ones (src/base/worthwhile.h).
CC_small        := $(CC)
CFLAGS_small    := $(CFLAGS_fault) -DOSYNC_SMALL

CC_fuzz         := clang
CFLAGS_fuzz     := -O1 -g -fsanitize=fuzzer-no-link $(SANITIZE) -DOSYNC_FAULTS
LDFLAGS_fuzz    := -fsanitize=fuzzer $(SANITIZE)

CC_cov          := gcc
CFLAGS_cov      := -O0 -g --coverage -fprofile-abs-path -DOSYNC_FAULTS -DOSYNC_UNCONFINED
LDFLAGS_cov     := --coverage

# Only for `make lint`: nobody runs these, every warning is an error.
CC_gcc          := gcc
CFLAGS_gcc      := -O2 -Werror
CC_clang        := clang
CFLAGS_clang    := -O2 -Werror
CC_analyze      := gcc
CFLAGS_analyze  := -O1 -Werror -fanalyzer

# Asked only when something is compiled, so that `make setup` works without
# pkg-config, and only once.
PKGS := libssh2 libcrypto libxxhash libzstd libarchive libcurl libacl
pkg   = $(shell pkg-config $1 $(PKGS))$(if $(filter-out 0,$(.SHELLSTATUS)),\
	$(error something is missing; `make setup` installs it))
LIBS  = $(eval LIBS := $$(call pkg,--libs))$(LIBS)
PKG_CFLAGS = $(eval PKG_CFLAGS := $$(call pkg,--cflags))$(PKG_CFLAGS)

# Build -----------------------------------------------------------------------

all: $(if $(MAIN),build/release/osync) ## build build/release/osync (the default)

VERSION_FLAGS = -DOSYNC_VERSION='"$(VERSION)"' -DOSYNC_BUILD='"$(file <build/id)"'

# $(call variant,NAME): the rules of one variant.
define variant
WARN_$1 := $$(WARNINGS) $$(if $$(findstring clang,$$(CC_$1)),,$$(WARNINGS_GCC)) \
	$$(if $$(findstring -fsanitize,$$(CFLAGS_$1)),$$(QUIET_FLOW))
COMPILE_$1 := $$(CC_$1) $$(BASE) $$(WARN_$1) $$(CFLAGS_$1) $$(CPPFLAGS) $$(CFLAGS)

build/$1/%.o: %.c build/$1/flags
	@$$(call say,CC,$$@)
	@mkdir -p $$(@D)
	$$(Q)$$(COMPILE_$1) $$(EXTRA) $$(PKG_CFLAGS) -MMD -MP -c -o $$@ $$<

build/$1/tests/%.o: EXTRA := -Wno-unused-parameter -Wno-missing-prototypes
build/$1/src/base/version.o: EXTRA = $$(VERSION_FLAGS)
build/$1/src/base/version.o: build/id

build/$1/libosync.a: $$(LIB_SRCS:%.c=build/$1/%.o) build/$1/sources
	@$$(call say,AR,$$@)
	$$(Q)rm -f $$@ && $$(AR) rcs $$@ $$(filter %.o,$$^)

build/$1/osync: build/$1/src/main.o build/$1/libosync.a
	@$$(call say,LINK,$$@)
	$$(Q)$$(CC_$1) -pthread $$(LDFLAGS_$1) $$(LDFLAGS) -o $$@ $$^ -Wl,--as-needed $$(LIBS)

build/$1/tests/unit/test_%: build/$1/tests/unit/test_%.o \
		$$(UNIT_HELP:%.c=build/$1/%.o) build/$1/libosync.a
	@$$(call say,LINK,$$@)
	$$(Q)$$(CC_$1) -pthread $$(LDFLAGS_$1) $$(LDFLAGS) -o $$@ $$^ -Wl,--as-needed $$(LIBS) -lcmocka

# Programs that the Python tests use: a part of osync without the rest.
$$(TOOLS:%.c=build/$1/%): %: %.o build/$1/libosync.a
	@$$(call say,LINK,$$@)
	$$(Q)$$(CC_$1) -pthread $$(LDFLAGS_$1) $$(LDFLAGS) -o $$@ $$^ -Wl,--as-needed $$(LIBS)

# What the Python tests put between a program and the kernel.
build/$1/tests/shim/%.o: EXTRA := -fPIC
build/$1/tests/shim/%.so: build/$1/tests/shim/%.o
	@$$(call say,LINK,$$@)
	$$(Q)$$(CC_$1) -shared $$(LDFLAGS) -o $$@ $$< -ldl

# Rebuild when the flags or the set of files have changed.
build/$1/flags: FORCE
	@mkdir -p $$(@D)
	@$$(call write-if-changed,$$(COMPILE_$1) $$(LDFLAGS_$1) $$(LDFLAGS))
build/$1/sources: FORCE
	@mkdir -p $$(@D)
	@$$(call write-if-changed,$$(LIB_SRCS))
endef
write-if-changed = echo "$1" | cmp -s - $@ || echo "$1" > $@

$(foreach v,$(VARIANTS),$(eval $(call variant,$v)))

# Which commit this is; only src/base/version.c is compiled again for it.
build/id: FORCE
	@mkdir -p $(@D)
	@$(call write-if-changed,$$(git describe --always --dirty 2>/dev/null || echo unknown))

-include $(wildcard build/*/src/*.d build/*/src/*/*.d build/*/tests/*/*.d)

install: build/release/osync ## install to $(DESTDIR)$(PREFIX)
	install -D -m 755 build/release/osync $(DESTDIR)$(PREFIX)/bin/osync
	install -m 755 scripts/osync-reap scripts/osync-upgrade-conf $(DESTDIR)$(PREFIX)/bin

setup: ## install the packages that building and testing need
	scripts/setup build test

# Test ------------------------------------------------------------------------

check: ## install what is missing, build, and run every test
	$(Q)scripts/setup build test
	$(Q)$(MAKE) all
	$(Q)$(MAKE) unit
	$(Q)$(MAKE) fuzz-smoke
	$(Q)$(MAKE) system
	$(Q)$(MAKE) fault
	$(Q)$(MAKE) model
	@echo "check: all tests passed"

# $(call matching,WORD,NAMES): those that contain WORD, all when it is empty.
matching = $(if $1,$(foreach n,$2,$(if $(findstring $1,$n),$n)),$2)

unit_programs = $(patsubst %.c,build/$1/%,$(call matching,$(K),$(UNIT_TESTS)))

unit: $(call unit_programs,asan) ## unit tests; K=WORD chooses by name
	$(Q)scripts/run-unit $^

# Each runs the tests of its folder against the real program.
system: ## black-box tests; K=EXPR as pytest -k, JOBS=N at once
system: build/asan/osync build/release/osync $(TOOLS:%.c=build/asan/%)
	$(Q)$(call pytest,asan,$@)

# Histories under the sanitizers; scripts are many, and some wait at points of a run.
model: build/asan/osync build/fault/osync $(SHIM) ## randomized tests of the invariants, and tests/regress
	$(Q)$(call pytest,asan,model/test_histories.py)
	$(Q)$(call pytest,fault,model/test_scripts.py tests/model/test_years.py)

# Without sanitizers: the program runs thousands of times.
fault: build/fault/osync build/release/osync ## kill, fail or cut at every step; K=EXPR
	$(Q)$(call pytest,fault,fault)
fault-all: export OSYNC_FAULT_ALL = 1
fault-all: fault ## the same with every error at every call: long

pytest = scripts/run-pytest $1 tests/$2 -n $(PYTEST_JOBS) $(if $(K),-k "$(K)") $(PYTEST_FLAGS)

mutants: ## remove each safety measure; the tests must fail; K=WORD
	$(Q)scripts/setup build test
	$(Q)scripts/mutants $(K)

SOAK_LOCAL ?= 20000
SOAK_SSH   ?= 500

# Some six histories in a second on two processors: about an hour for all.
soak: build/fault/osync ## random histories in great number; SOAK_LOCAL=20000 SOAK_SSH=500 SOAK_SEED=N SOAK_SECONDS=N
	$(Q)scripts/setup build test
	$(Q)OSYNC=$(CURDIR)/build/fault/osync PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3 \
		tests/model/soak.py --local $(SOAK_LOCAL) --ssh $(SOAK_SSH) \
		$(if $(SOAK_SEED),--seed $(SOAK_SEED)) $(if $(SOAK_SECONDS),--seconds $(SOAK_SECONDS))
	$(Q)$(MAKE) soak-model
	$(Q)$(MAKE) soak-scripts

# The ways that `make soak` does not go, having small and few files.
soak-small: build/small/osync ## the same where few and small files count as many and large ones
	$(Q)scripts/setup build test
	$(Q)OSYNC=$(CURDIR)/$< PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3 \
		tests/model/soak.py --local $(SOAK_LOCAL) --ssh $(SOAK_SSH) \
		$(if $(SOAK_SEED),--seed $(SOAK_SEED)) $(if $(SOAK_SECONDS),--seconds $(SOAK_SECONDS))
	$(Q)OSYNC_EXAMPLES=$$(($(SOAK_SCRIPTS) / 4)) $(call pytest,small,model/test_scripts.py)

YEARS_ROUNDS ?= 200

# A quarter of an hour on a machine that does nothing else: most of it is logging in.
years: build/fault/osync $(SHIM) ## five machines and a server, left alone; YEARS_ROUNDS=200 YEARS_SEED=N
	$(Q)scripts/setup build test
	$(Q)OSYNC=$(CURDIR)/build/fault/osync PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3 \
		tests/model/years.py --rounds $(YEARS_ROUNDS) $(if $(YEARS_SEED),--seed $(YEARS_SEED))

SOAK_MODEL ?= 1000000

# The planner in a simulator, some ten minutes of one processor.
soak-model: build/fault/tests/unit/test_model build/fault/tests/unit/test_model_trees ## the planner over every small tree and SOAK_MODEL=1000000 histories
	$(Q)MODEL_HISTORIES=$(SOAK_MODEL) build/fault/tests/unit/test_model
	$(Q)MODEL_TREES=1 build/fault/tests/unit/test_model_trees

SOAK_SCRIPTS ?= 2000

# Made up anew each time, and made small where they fail: some four in a second.
soak-scripts: build/fault/osync ## scripts that hypothesis makes up; SOAK_SCRIPTS=2000
	$(Q)OSYNC_EXAMPLES=$$(($(SOAK_SCRIPTS) / 4)) $(call pytest,fault,model/test_scripts.py)

# The races of `make system`, with both sides.
hammer: build/fault/osync ## races with the user, 1,000 runs and both sides
	$(Q)OSYNC_LONG=1 OSYNC_HAMMER_RUNS=1000 scripts/run-pytest fault tests/system \
		-n $(PYTEST_JOBS) -k "hammer or race_points"

FUZZ_SECONDS ?= 600
fuzz_programs = $(patsubst %.c,build/fuzz/%,$(call matching,$(FUZZ_TARGET),$(FUZZERS)))

fuzz-smoke: $(fuzz_programs) ## a few seconds of every fuzzer, from its corpus
	$(Q)scripts/run-fuzz smoke $^

fuzz: $(fuzz_programs) ## long run; FUZZ_SECONDS=600 FUZZ_TARGET=name
	$(Q)scripts/run-fuzz $(FUZZ_SECONDS) $^

build/fuzz/tests/fuzz/fuzz_%: build/fuzz/tests/fuzz/fuzz_%.o build/fuzz/libosync.a
	@$(call say,LINK,$@)
	$(Q)$(CC_fuzz) -pthread $(LDFLAGS_fuzz) -o $@ $^ -Wl,--as-needed $(LIBS)

# Lint ------------------------------------------------------------------------

lint: ## everything that reads the code instead of running it
	$(Q)scripts/setup build test lint
	$(Q)$(MAKE) --keep-going $(LINTERS)
	@echo "lint: clean"

# Those that a script answers in a second come first.
LINT_SCRIPTS := $(notdir $(sort $(wildcard scripts/lint-*)))
LINTERS := $(LINT_SCRIPTS) lint-format lint-shell lint-headers lint-warnings lint-analyze \
	lint-cppcheck lint-tidy

$(LINT_SCRIPTS): lint-%: scripts/lint-%
	@$(call say,LINT,$*)
	$(Q)$<

lint-format:
	@$(call say,LINT,format)
	$(Q)$(if $(C_FILES),clang-format --dry-run --Werror $(C_FILES))

# SC2016: the inner shell of an xargs is meant to expand its own $1.
lint-shell:
	@$(call say,LINT,shell)
	$(Q)shellcheck --exclude=SC2016 $(SHELL_SCRIPTS)
SHELL_SCRIPTS = $(shell grep -lE '^\#!/bin/(ba)?sh' $(wildcard scripts/* packaging/* .ci/*))

# A header can be included on its own.
lint-headers: $(HEADERS:%=lint-header/%)
$(HEADERS:%=lint-header/%): lint-header/%:
	$(Q)$(COMPILE_gcc) $(PKG_CFLAGS) -x c -fsyntax-only -include $* /dev/null

# Both compilers, all warnings, all code.
lint-warnings: $(foreach v,gcc clang,$(C_SOURCES:%.c=build/$v/%.o)) ; @:
C_SOURCES := $(filter %.c,$(C_FILES))

lint-analyze: $(patsubst %.c,build/analyze/%.o,$(filter src/%,$(C_SOURCES))) ; @:

# It does not know the cleanup attribute, so leaks are for the sanitizers to find,
# takes the sizeof of a null pointer's member for a use of it, and wants the
# reentrant forms of calls that a program with one thread needs not.
CPPCHECK := cppcheck --quiet --std=c11 --enable=warning,portability,performance \
	--inline-suppr --library=posix --suppress=missingIncludeSystem \
	--suppress=resourceLeak --suppress=memleak --suppress=ctunullpointer --suppress=readdirCalled \
	--suppress=getgrnamCalled --suppress=getgrgidCalled --suppress=getpwnamCalled \
	--suppress=getpwuidCalled --error-exitcode=1 \
	--cppcheck-build-dir=build/cppcheck -j $(JOBS) \
	-D_GNU_SOURCE -D__GNUC__ -D__linux__ -Isrc
lint-cppcheck:
	@$(call say,LINT,cppcheck)
	@mkdir -p build/cppcheck
	$(Q)$(if $(LIB_SRCS),$(CPPCHECK) $(MAIN) $(LIB_SRCS))

# One stamp for each source. It depends on clang's object, and so on all headers.
lint-tidy: $(patsubst %.c,build/tidy/%.ok,$(filter src/%,$(C_SOURCES))) ; @:
build/tidy/src/base/version.ok: EXTRA = $(VERSION_FLAGS)
build/tidy/%.ok: %.c build/clang/%.o .clang-tidy
	@$(call say,TIDY,$<)
	@mkdir -p $(@D)
	$(Q)clang-tidy --quiet $< -- $(BASE) $(CPPFLAGS) $(EXTRA) $(PKG_CFLAGS) 2>$@.log || \
		{ grep -v 'warnings generated' $@.log; exit 1; }
	@touch $@

format: ## lay the C code out as .clang-format says
	clang-format -i $(C_FILES)

# The rest --------------------------------------------------------------------

demo: ## sync two sample folders; INITIATOR=DIR TARGET=DIR for yours
	$(Q)scripts/setup build
	$(Q)$(MAKE) all
	$(Q)INITIATOR="$(INITIATOR)" TARGET="$(TARGET)" scripts/demo

BENCH_ROUNDS ?= 3
BENCH_SCALE ?= 1

bench: ## measure beside other tools; BENCH=ROW... BENCH_ROUNDS=3 BENCH_SCALE=1
	$(Q)scripts/setup build test bench
	$(Q)$(MAKE) build/release/osync
	$(Q)PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3 tests/bench/bench.py \
		--rounds $(BENCH_ROUNDS) --scale $(BENCH_SCALE) $(BENCH)

# Processes that were killed have written no counts: the figures are a lower bound.
coverage: ## line coverage of the unit and system tests, in build/cov/report
	$(Q)scripts/setup build test coverage
	$(Q)$(forget-counts)
	$(Q)$(MAKE) build/cov/osync build/release/osync $(TOOLS:%.c=build/cov/%) $(call unit_programs,cov)
	$(Q)scripts/run-unit $(call unit_programs,cov)
	$(Q)$(if $(filter tests/system/%,$(PY_TESTS)),$(call pytest,cov,system))
	@mkdir -p build/cov/report
	$(Q)$(GCOVR) --filter src/ --print-summary \
		--html-details build/cov/report/index.html --txt build/cov/report/summary.txt
	$(Q)$(BRANCHES)
	@echo "coverage: build/cov/report/index.html"

# What decides and what remembers, by the unit tests alone: half a minute.
branches: ## branches of model and store taken; below 95 % it fails
	$(Q)scripts/setup build test coverage
	$(Q)$(forget-counts)
	$(Q)$(MAKE) $(call unit_programs,cov)
	$(Q)scripts/run-unit $(call unit_programs,cov)
	$(Q)$(BRANCHES)

forget-counts = find build/cov -name '*.gcda' -delete 2>/dev/null || true
GCOVR := gcovr --root . --object-directory build/cov

# Not counted: the branch of an assert() that ends the program, since what it says is never
# so; and those that gcc makes for what is not in the source (unwinding, unreachable code).
# That there is no memory is not a branch: base/buf ends the program.
BRANCHES = $(GCOVR) --filter src/model/ --filter src/store/ --branches \
	--exclude-throw-branches --exclude-unreachable-branches \
	--exclude-branches-by-pattern '^\s*assert\(' --fail-under-branch 95

clean: ## remove everything that was built
	rm -rf build demo

help: ## show this list
	@sed -n 's/^\([a-z][a-z-]*\):.*##/\1\t/p' $(firstword $(MAKEFILE_LIST)) | \
		awk -F '\t' '{ printf "  %-12s%s\n", $$1, $$2 }'

FORCE:
.PHONY: FORCE all install setup check unit system fault fault-all model soak soak-model soak-scripts soak-small years mutants fuzz-smoke fuzz \
	lint $(LINTERS) $(HEADERS:%=lint-header/%) format demo bench coverage branches clean help
# Objects are kept: make would take those of the tests for intermediate files.
.SECONDARY:
