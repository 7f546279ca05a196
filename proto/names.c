/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* Names of enumerated values, for logs, manuals and the public protocol. */
#include "common/compat.h"

#include "proto/enums.h"

const char *
proc_state_name(unsigned int s)
{
	static const char *const names[PROC_ST_MAX] = {
		"stopped", "starting", "running", "draining", "backoff", "held"
	};

	return s < PROC_ST_MAX ? names[s] : "?";
}

const char *
gw_event_name(unsigned int e)
{
	static const char *const names[EVENT_MAX] = {
		"connect.challenge", "agent", "chat", "presence", "tick",
		"talk.mode", "shutdown", "health", "heartbeat", "cron",
		"node.pair.requested", "node.pair.resolved",
		"node.invoke.request", "device.pair.requested",
		"device.pair.resolved", "voicewake.changed",
		"exec.approval.requested", "exec.approval.resolved",
		"sessions.changed", "session.message", "session.tool"
	};

	return e < EVENT_MAX ? names[e] : "?";
}
