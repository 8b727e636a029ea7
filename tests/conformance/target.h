/* The server under test as the command line describes it. */
#pragma once

#include "common/config.h"
#include "tests/conformance/spec.h"

struct spec_target;

extern const struct config_program target_program;

/* Read the options, start the responders, fetch the directory; the config outlives the target.
 * ERR_CONFIG: an option; else the target cannot be reached. */
struct spec_target *target_new(const struct config *config, struct err *err);
void target_free(struct spec_target *target);
AUTO_DEFINE(struct spec_target, target_free)
