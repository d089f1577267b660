// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include "resources.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tap.h"

#define SETTLES_S 120

long resource_count(const struct rig *rig, const char *kind)
{
	char command[128], word[32], text[512] = "";
	long count = -1;
	char *at;
	FILE *f;

	snprintf(command, sizeof(command), "rdma -j resource show %s",
		 ibv_get_device_name(rig->ctx->device));
	f = popen(command, "re");
	if (!f)
		fatal("popen: %s", strerror(errno));
	if (!fgets(text, sizeof(text), f))
		text[0] = 0;
	/* pretty-printed or not, the counts are in a few lines */
	for (size_t n = strlen(text); fgets(text + n, (int)(sizeof(text) - n), f);)
		n = strlen(text);
	pclose(f);
	snprintf(word, sizeof(word), "\"%s\":", kind);
	at = strstr(text, word);
	if (at)
		count = strtol(at + strlen(word), NULL, 10);
	need(count >= 0, "'%s' must print the number of %ss", command, kind);
	return count;
}

long resource_settles(const struct rig *rig, const char *kind, long want)
{
	long count = resource_count(rig, kind);

	for (int tries = 0; count != want && tries < SETTLES_S * 20; tries++) {
		nanosleep(&(struct timespec){ .tv_nsec = 50 * 1000 * 1000 }, NULL);
		count = resource_count(rig, kind);
	}
	return count;
}

uint64_t model_counter(const char *name)
{
	char command[64], line[32] = "";
	FILE *f;

	snprintf(command, sizeof(command), "mlx5-model-counters %s", name);
	f = popen(command, "re");
	if (!f || !fgets(line, sizeof(line), f) || pclose(f))
		fatal("'%s' does not work", command);
	return strtoull(line, NULL, 0);
}
