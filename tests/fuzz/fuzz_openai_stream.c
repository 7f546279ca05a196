/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */
#define FUZZ_API	"openai-completions"
#include "tests/fuzz/fuzz_anthropic_stream.c"
