# The supervisor and its roles.  The supervisor itself links libevent only;
# tests check that it stays so.
PROGS += gatewayd
gatewayd_MAIN := gatewayd/main.c
gatewayd_LIBS := gatewayd common proto
gatewayd_PKGS := libevent_core

PROGS += gatewayd-connect
gatewayd-connect_MAIN := gatewayd/connect/main.c
gatewayd-connect_LIBS := gatewayd common proto
gatewayd-connect_PKGS := libevent_core

PROGS += gatewayd-config
gatewayd-config_MAIN := gatewayd/config/main.c
gatewayd-config_LIBS := gatewayd common proto
gatewayd-config_PKGS := libevent_core

PROGS += gatewayd-router
gatewayd-router_MAIN := gatewayd/router/main.c
gatewayd-router_LIBS := gatewayd common proto
gatewayd-router_PKGS := libevent_core

PROGS += gatewayd-front
gatewayd-front_MAIN := gatewayd/front/main.c
gatewayd-front_LIBS := gatewayd common proto
gatewayd-front_PKGS := libevent_core

# The same with TLS: gatewayd-front becomes it when its parcel says so.
PROGS += gatewayd-front-tls
gatewayd-front-tls_MAIN := gatewayd/front/main_tls.c
gatewayd-front-tls_LIBS := gatewayd common proto
gatewayd-front-tls_PKGS := libevent_core openssl

PROGS += gatewayd-whois
gatewayd-whois_MAIN := gatewayd/whois/main.c
gatewayd-whois_LIBS := gatewayd common proto
gatewayd-whois_PKGS := libevent_core
PROGS += gatewayd-canvas
gatewayd-canvas_MAIN := gatewayd/canvas/main.c
gatewayd-canvas_LIBS := gatewayd common proto
gatewayd-canvas_PKGS := libevent_core

# The list of keys in the manual comes from the table that checks them.
.PHONY: man-keys
man-keys: $(B)/bin/gatewayd-config
	@{ sed '/BEGIN KEYS/q' man/openclaw.json.5; $< -K; \
	    sed -n '/END KEYS/,$$p' man/openclaw.json.5; } >$(B)/openclaw.json.5
	@mv $(B)/openclaw.json.5 man/openclaw.json.5
