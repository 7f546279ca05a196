# Linked by the programs that name it; no program of its own.

# The filters are compiled from their tables by a tool that runs here and is
# not installed; only it needs libseccomp.
TOOL_MAINS += common/seccomp/seccomp_gen.c
GEN += $(B)/gen/seccomp_filters.h

SECCOMP_GEN_SRCS := common/seccomp/seccomp_gen.c common/sandbox_profiles.c
$(B)/tools/seccomp_gen: $(SECCOMP_GEN_SRCS) common/sandbox_profiles.h \
    common/sandbox.h common/compat.h proto/roles.def
	@mkdir -p $(@D)
	@$(if $(V),,echo "  GEN   $(@F)")
	$(Q)$(CC) $(CPPFLAGS) -std=c11 -O1 -g -Wall -Wextra $(filter -DGW_%,$(OPT)) \
	    -o $@ $(SECCOMP_GEN_SRCS) $(PC_LIBS_libseccomp)
$(B)/gen/seccomp_filters.h: $(B)/tools/seccomp_gen
	@mkdir -p $(@D)
	$(Q)$< >$@.tmp && mv $@.tmp $@
