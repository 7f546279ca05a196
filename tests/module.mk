# Unit tests: every tests/unit/test_*.c is one cmocka program that links the
# archives of all families; a *_rig.c is what some of them share.  Fuzz targets:
# every tests/fuzz/fuzz_*.c is one libFuzzer program (clang), with its corpus in
# tests/fuzz/corpus/<name>/.

UNIT_SRCS := $(sort $(wildcard tests/unit/test_*.c))
UNIT_BINS := $(patsubst tests/unit/%.c,$(B)/tests/%,$(UNIT_SRCS))
FUZZ_SRCS := $(sort $(wildcard tests/fuzz/fuzz_*.c))
FUZZ_BINS := $(patsubst tests/fuzz/%.c,$(B)/tests/%,$(FUZZ_SRCS))
# C programs that e2e and fault tests run (hostile peer, jail probe, load).
HELPER_SRCS := $(sort $(filter-out %_rig.c,\
	$(wildcard tests/e2e/*.c tests/fault/*.c tests/bench/*.c)))
HELPER_BINS := $(patsubst tests/%.c,$(B)/tests/%,$(HELPER_SRCS))
TEST_LIBS := $(foreach f,$(FAMILIES),$(B)/lib$(f).a)
TEST_LINK = -Wl,--start-group $(TEST_LIBS) -Wl,--end-group \
	$(foreach p,$(PC_ALL) md4c,$(PC_LIBS_$(p)))

$(B)/tests/test_%: $(B)/tests/unit/test_%.o $(TEST_LIBS)
	@mkdir -p $(@D)
	@$(if $(V),,echo "  LD    $(@F)")
	$(Q)$(CC) $(CFLAGS_OK) $(OPT) $(LDFLAGS_OK) $(LD_$(VARIANT)) -o $@ \
	    $(filter %.o,$^) $(TEST_LINK) $(PC_LIBS_cmocka)
# Rigs that several of them share.
$(filter $(B)/tests/test_router_%,$(UNIT_BINS)): $(B)/tests/unit/router_rig.o
$(addprefix $(B)/tests/test_toold_,calls peers approvals): $(B)/tests/unit/toold_rig.o

$(B)/tests/fuzz_%: $(B)/tests/fuzz/fuzz_%.o $(TEST_LIBS)
	@mkdir -p $(@D)
	@$(if $(V),,echo "  LD    $(@F)")
	$(Q)$(CC) $(CFLAGS_OK) $(OPT) $(LDFLAGS_OK) $(LD_$(VARIANT)) -fsanitize=fuzzer \
	    -o $@ $< $(TEST_LINK)

$(HELPER_BINS): $(B)/tests/%: $(B)/tests/%.o $(TEST_LIBS)
	@mkdir -p $(@D)
	@$(if $(V),,echo "  LD    $(@F)")
	$(Q)$(CC) $(CFLAGS_OK) $(OPT) $(LDFLAGS_OK) $(LD_$(VARIANT)) -o $@ \
	    $(filter %.o,$^) $(TEST_LINK)
$(addprefix $(B)/tests/e2e/,jail_driver tools_driver): $(B)/tests/e2e/driver_rig.o

-include $(patsubst %.c,$(B)/%.d,$(UNIT_SRCS) $(FUZZ_SRCS) $(HELPER_SRCS) \
	$(wildcard tests/*/*_rig.c))

.PHONY: unit-bins fuzz-bins helper-bins
unit-bins: $(UNIT_BINS)
fuzz-bins: $(FUZZ_BINS)
helper-bins: $(HELPER_BINS)
tests: programs unit-bins helper-bins

check: packages-check
	@$(MAKE) --no-print-directory build-check
build-check:
	@$(MAKE) --no-print-directory -j$(shell nproc) tests
	@$(MAKE) --no-print-directory -j$(shell nproc) VARIANT=fuzz CC=clang fuzz-bins
	@python3 tests/run.py

lint:
	@python3 tests/run.py lint
asan:
	@$(MAKE) --no-print-directory VARIANT=asan tests
	@python3 tests/run.py --variant asan unit e2e
fuzz:
	@$(MAKE) --no-print-directory VARIANT=fuzz CC=clang fuzz-bins
	@python3 tests/run.py --fuzz-seconds $(or $(SECONDS),600) fuzz
bench: programs helper-bins
	@python3 tests/bench/bench.py
interop: programs helper-bins
	@python3 tests/run.py interop
vm: programs unit-bins helper-bins
	@python3 tests/vm/vm.py
