# One dependency graph for the whole tree; see README.md for the two commands
# that matter.  Each folder's module.mk names its programs and, where that is
# not "every .c file here", their sources.
#
# A folder F gives build/$(VARIANT)/libF.a (all its .c files except those that
# hold a main()) and its programs link main file + the archives they name, so a
# program takes from an archive only what it refers to, and --as-needed leaves
# out the libraries that this part does not use.

VARIANT	?= release
B	:= build/$(VARIANT)
PREFIX	?= /usr/local
DESTDIR	?=
Q	:= $(if $(V),,@)
VERSION	:= 0.1.0

ifeq ($(origin CC),default)
CC	:= gcc
endif

MAKEFLAGS += --no-builtin-rules

.PHONY: all run check build-run build-check clean install uninstall lint bench \
	asan fuzz interop vm programs tests packages-run packages-check dist
all: programs

# --- flags -----------------------------------------------------------------

CFLAGS_WANT := -std=c11 -g -fPIE -fstack-protector-strong \
	-fstack-clash-protection -fcf-protection=full -fno-strict-aliasing \
	-ftrivial-auto-var-init=zero -fzero-call-used-regs=used-gpr \
	-Wall -Wextra -Wformat=2 -Wshadow -Wvla -Walloca -Wstrict-prototypes \
	-Wmissing-prototypes -Wpointer-arith -Wwrite-strings -Wundef \
	-Wno-missing-field-initializers -Wno-format-truncation \
	-Wno-unused-parameter
LDFLAGS_WANT := -pie -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack \
	-Wl,--as-needed -Wl,-O1 -Wl,--gc-sections \
	-Wl,-z,pack-relative-relocs

OPT_release := -O2 -D_FORTIFY_SOURCE=3 -ffunction-sections -fdata-sections
OPT_asan := -O1 -fsanitize=address,undefined -fno-omit-frame-pointer \
	-fno-sanitize-recover=undefined -DGW_SANITIZED=1
OPT_fuzz := -O1 -fsanitize=address,undefined,fuzzer-no-link \
	-fno-omit-frame-pointer -fno-sanitize-recover=undefined \
	-DGW_SANITIZED=1 -DGW_FUZZING=1
LD_asan := -fsanitize=address,undefined
LD_fuzz := -fsanitize=address,undefined
OPT	:= $(OPT_$(VARIANT))
# -Werror only where a warning can be read and mended by whoever made it.
WERROR	:= $(if $(CI),-Werror,)
# -Wconversion where outside numbers become ours.
CONV	:= -Wconversion -Wno-sign-conversion

CPPFLAGS += -I. -D_GNU_SOURCE -DGW_VERSION='"$(VERSION)"' \
	-DGW_PREFIX='"$(PREFIX)"'

# Which of the wanted flags this compiler knows is asked once per variant and
# kept, so that a build with nothing to do starts no compiler.
FLAGS_MK := $(B)/flags.mk
ifeq ($(filter clean run check packages-%,$(MAKECMDGOALS)),)
-include $(FLAGS_MK)
endif
$(FLAGS_MK): Makefile
	@mkdir -p $(@D)
	@ok=; for f in $(CFLAGS_WANT); do \
		$(CC) -Werror $$f -x c -c /dev/null -o /dev/null 2>/dev/null && \
		ok="$$ok $$f"; done; \
	lok=; for f in $(LDFLAGS_WANT); do \
		echo 'int main(void){return 0;}' | $(CC) -Werror -fPIE $$f -x c - \
		-o $(@D)/probe 2>/dev/null && lok="$$lok $$f"; done; \
	rm -f $(@D)/probe; \
	printf 'CFLAGS_OK :=%s\nLDFLAGS_OK :=%s\n' "$$ok" "$$lok" >$@
	@for p in libevent_core openssl jansson sqlite3 cmocka; do \
		n=$$(echo $$p | tr -c 'a-z0-9\n' _); \
		printf 'PC_CFLAGS_%s := %s\nPC_LIBS_%s := %s\n' $$n \
		"$$(pkg-config --cflags $$p 2>/dev/null)" $$n \
		"$$(pkg-config --libs $$p 2>/dev/null)"; done >>$@
	@printf 'PC_LIBS_md4c := -lmd4c\nPC_LIBS_libseccomp := -lseccomp\n' >>$@
PC_ALL	:= libevent_core openssl jansson sqlite3
PC_CFLAGS = $(sort $(foreach p,$(PC_ALL) cmocka,$(PC_CFLAGS_$(p))))

# --- folders ---------------------------------------------------------------

FAMILIES := common proto gatewayd channeld agentd toold openclaw
# Archives by family; programs name those they link.  MAINS are the files with
# a main(); PROGS the programs; each program P sets P_MAIN, P_LIBS (archives)
# and P_PKGS (libraries).
PROGS	:=
MAINS	:=
GEN	:=
$(foreach f,$(FAMILIES),$(eval $(f)_SRCS := $(sort $(wildcard $(f)/*.c $(f)/*/*.c))))
include $(wildcard $(addsuffix /module.mk,$(FAMILIES)) $(addsuffix /*/module.mk,$(FAMILIES)))
MAINS	:= $(foreach p,$(PROGS),$($(p)_MAIN))
BUILD_TOOLS ?=

obj = $(patsubst %.c,$(B)/%.o,$(1))

define family_rules
$(B)/lib$(1).a: $(call obj,$(filter-out $(MAINS) $(TOOL_MAINS),$($(1)_SRCS))) $$($(1)_GEN_OBJS)
	@mkdir -p $$(@D)
	$$(Q)rm -f $$@ && ar rcs $$@ $$^
endef
$(foreach f,$(FAMILIES),$(eval $(call family_rules,$(f))))

define prog_rules
$(B)/bin/$(1): $(call obj,$($(1)_MAIN)) $(foreach l,$($(1)_LIBS),$(B)/lib$(l).a)
	@mkdir -p $$(@D)
	@$$(if $$(V),,echo "  LD    $(1)")
	$$(Q)$$(CC) $$(CFLAGS) $$(CFLAGS_OK) $$(OPT) $$(LDFLAGS_OK) $$(LD_$(VARIANT)) \
	    $$(LDFLAGS) -o $$@ $$< -Wl,--start-group \
	    $(foreach l,$($(1)_LIBS),$(B)/lib$(l).a) -Wl,--end-group \
	    $$(foreach p,$$($(1)_PKGS),$$(PC_LIBS_$$(p)))
programs: $(B)/bin/$(1)
endef
$(foreach p,$(PROGS),$(eval $(call prog_rules,$(p))))

common_CONV := $(CONV)
proto_CONV := $(CONV)

$(B)/%.o: %.c $(FLAGS_MK) | $(GEN)
	@mkdir -p $(@D)
	@$(if $(V),,echo "  CC    $<")
	$(Q)$(CC) $(CPPFLAGS) -I$(B)/gen $(PC_CFLAGS) $(CFLAGS) $(CFLAGS_OK) $(OPT) \
	    $($(firstword $(subst /, ,$<))_CONV) $(WERROR) -MMD -MP -c -o $@ $<

-include $(patsubst %.c,$(B)/%.d,$(foreach f,$(FAMILIES),$($(f)_SRCS)))

programs: | build/bin
	@ln -sfn $(VARIANT)/bin build/bin
build/bin:
	@mkdir -p build && ln -sfn $(VARIANT)/bin build/bin

ifneq ($(filter release,$(VARIANT)),)
programs: compile_commands.json
endif
compile_commands.json: Makefile $(wildcard */module.mk */*/module.mk) $(FLAGS_MK)
	@{ echo '['; sep=; for f in $(foreach f,$(FAMILIES),$($(f)_SRCS)); do \
		printf '%s{"directory":"%s","file":"%s","command":"%s"}' "$$sep" \
		    "$(CURDIR)" "$$f" 'cc $(subst ",\\\",$(CPPFLAGS)) -I$(B)/gen $(PC_CFLAGS) $(CFLAGS_OK) -c '"$$f"; \
		sep=',\n'; sep=$$(printf ',\n_'); sep=$${sep%_}; done; echo; echo ']'; } >$@

# --- tests -----------------------------------------------------------------

include tests/module.mk

# --- run, install ----------------------------------------------------------

packages-run:
	@etc/install-packages etc/packages.run
packages-check:
	@etc/install-packages etc/packages.run etc/packages.check

run: packages-run
	@$(MAKE) --no-print-directory build-run
build-run: programs
	@exec build/bin/openclaw gateway run --allow-unconfigured

LIBEXEC	= $(DESTDIR)$(PREFIX)/libexec/gatewayd
install: programs
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/sbin $(LIBEXEC)
	install -s -m 755 $(B)/bin/openclaw $(DESTDIR)$(PREFIX)/bin/
	install -s -m 755 $(B)/bin/gatewayd $(DESTDIR)$(PREFIX)/sbin/
	for p in $(filter-out openclaw gatewayd,$(PROGS)); do \
		install -s -m 755 $(B)/bin/$$p $(LIBEXEC)/ || exit 1; done
	for m in man/*.[1-8]; do \
		d=$(DESTDIR)$(PREFIX)/share/man/man$${m##*.}; \
		install -d $$d && install -m 644 $$m $$d/ || exit 1; done
	install -d $(DESTDIR)$(PREFIX)/share/gatewayd/webchat
	install -m 644 gatewayd/webchat/* $(DESTDIR)$(PREFIX)/share/gatewayd/webchat/
	install -d $(DESTDIR)$(PREFIX)/share/gatewayd/a2ui
	install -m 644 gatewayd/a2ui/* $(DESTDIR)$(PREFIX)/share/gatewayd/a2ui/
	for s in etc/skills/*; do \
		d=$(DESTDIR)$(PREFIX)/share/gatewayd/skills/$${s##*/}; \
		install -d $$d && install -m 644 $$s/* $$d/ || exit 1; done
	install -d $(DESTDIR)$(PREFIX)/lib/systemd/system \
	    $(DESTDIR)$(PREFIX)/lib/sysusers.d $(DESTDIR)$(PREFIX)/lib/tmpfiles.d \
	    $(DESTDIR)$(PREFIX)/share/bash-completion/completions
	sed 's|@SBINDIR@|$(PREFIX)/sbin|' etc/systemd/gatewayd.service \
	    > $(DESTDIR)$(PREFIX)/lib/systemd/system/gatewayd.service
	install -m 644 etc/systemd/sysusers.conf \
	    $(DESTDIR)$(PREFIX)/lib/sysusers.d/gatewayd.conf
	install -m 644 etc/systemd/tmpfiles.conf \
	    $(DESTDIR)$(PREFIX)/lib/tmpfiles.d/gatewayd.conf
	sed 's|@SBINDIR@|$(PREFIX)/sbin|' etc/rc/gatewayd \
	    > $(DESTDIR)$(PREFIX)/share/gatewayd/gatewayd.rc
	chmod 755 $(DESTDIR)$(PREFIX)/share/gatewayd/gatewayd.rc
	install -m 644 etc/openclaw.json $(DESTDIR)$(PREFIX)/share/gatewayd/
	$(B)/bin/openclaw completion \
	    > $(DESTDIR)$(PREFIX)/share/bash-completion/completions/openclaw
uninstall:
	rm -f $(DESTDIR)$(PREFIX)/bin/openclaw $(DESTDIR)$(PREFIX)/sbin/gatewayd
	rm -rf $(LIBEXEC) $(DESTDIR)$(PREFIX)/share/gatewayd
	rm -f $(DESTDIR)$(PREFIX)/lib/systemd/system/gatewayd.service \
	    $(DESTDIR)$(PREFIX)/lib/sysusers.d/gatewayd.conf \
	    $(DESTDIR)$(PREFIX)/lib/tmpfiles.d/gatewayd.conf \
	    $(DESTDIR)$(PREFIX)/share/bash-completion/completions/openclaw
	for m in man/*.[1-8]; do \
		rm -f $(DESTDIR)$(PREFIX)/share/man/man$${m##*.}/$${m##*/}; done

dist:
	git archive --format=tar.gz --prefix=gatewayd-$(VERSION)/ \
	    -o gatewayd-$(VERSION).tar.gz HEAD

clean:
	rm -rf build compile_commands.json

# Objects stay, so that a test links again without a compiler.
.SECONDARY:
