// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* The rdma tool prints for an MR, by RDMA netlink, what a query returns to its owner. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scene.h"
#include "tap.h"

#define LEN (SZ_2M * 8)

static char text[1 << 16];

/* The JSON object that has @key in the output of @command; NULL if there is none. */
static const char *object_of(const char *command, const char *key)
{
	FILE *f = popen(command, "re");
	size_t got = f ? fread(text, 1, sizeof(text) - 1, f) : 0;
	char *at;

	if (!f || pclose(f))
		fatal("%s failed", command);
	text[got] = 0;
	at = strstr(text, key);
	if (!at)
		return NULL;
	at[strcspn(at, "}")] = 0;
	return at;
}

/* Test point: the object's member @name is @want. */
static void says(const char *object, const char *name, uint64_t want, const char *what)
{
	char key[64];
	const char *at;

	snprintf(key, sizeof(key), "\"%s\":", name);
	at = object ? strstr(object, key) : NULL;
	if (!ok(at, "%s: there is %s", what, name))
		return;
	is_u64(strtoull(at + strlen(key), NULL, 10), want, "%s: %s", what, name);
}

/* The resource of an MR, after the test points that those of all kinds have; NULL without one. */
static const char *compare_pages(const struct buf *buf, const char *kind, const char *what)
{
	struct ibv_mr_pages pages = mr_pages(buf->mr);
	const char *object;
	char key[64];

	snprintf(key, sizeof(key), "\"rkey\":\"%x\"", buf->mr->rkey);
	object = object_of("rdma -j -dd resource show mr", key);
	if (!ok(object, "%s: the MR is among the resources", what)) {
		diag("%s", text);
		return NULL;
	}
	snprintf(key, sizeof(key), "\"drv_kind\":\"%s\"", kind);
	ok(strstr(object, key), "%s: kind %s", what, kind);
	says(object, "drv_page_shift", pages.page_shift, what);
	says(object, "drv_entries", pages.entries, what);
	says(object, "drv_device_bytes", pages.device_bytes, what);
	return object;
}

static void compare(const struct buf *buf, const char *what)
{
	struct ibv_mr_odp_attr state = buf_state(buf);
	const char *object = compare_pages(buf, "odp", what), *mrn;
	char key[64];

	if (!object)
		return;
	says(object, "drv_odp_page_sizes", state.page_sizes, what);
	says(object, "drv_odp_blocks_mapped", state.blocks_mapped, what);
	says(object, "drv_odp_table_bytes", state.table_bytes, what);
	says(object, "drv_odp_faults", state.faults, what);
	says(object, "drv_odp_invalidated", state.pages_invalidated, what);

	/* the number is in front of the key */
	for (mrn = object; mrn > text && strncmp(mrn, "\"mrn\"", 5); mrn--)
		;
	snprintf(key, sizeof(key), "%.*s", (int)strcspn(mrn, ","), mrn);
	object = object_of("rdma -j statistic show mr", key);
	/* mlx5 had counters of these names before, of pages of the system */
	if (buf->rig->is_rxe) {
		says(object, "page_faults", state.faults, what);
		says(object, "page_invalidations", state.pages_invalidated, what);
	}
	says(object, "blocks_mapped", state.blocks_mapped, what);
	says(object, "table_bytes", state.table_bytes, what);
	says(object, "renegotiations_up", state.renegotiations - state.renegotiations_down, what);
	says(object, "renegotiations_down", state.renegotiations_down, what);
	says(object, "faults_refused", state.faults_refused, what);
}

int main(void)
{
	struct ibv_mr_odp_attr state;
	struct scene s;
	struct rig rig;
	const char *object;

	rig_open(&rig);
	need_series(&rig);
	stop_khugepaged();
	scene_open(&s, &rig, &mode_2m_4k, MEM_THP, LEN);
	compare(&s.far, "untouched");
	scene_write(&s, 0, LEN, "written");
	compare(&s.far, "written");
	buf_drop(&s.far, SZ_2M + SZ_4K, SZ_4K);
	compare(&s.far, "a page dropped");
	scene_write(&s, 0, SZ_2M * 2, "stepped down");
	compare(&s.far, "stepped down");
	buf_drop(&s.far, 0, LEN);
	is_errno(ibv_modify_mr_odp(s.far.mr, SZ_2M, IBV_ODP_POPULATE), 0, "modify to 2M");
	compare(&s.far, "up again");
	state = buf_state(&s.far);
	is_u64(state.renegotiations, 2, "two renegotiations");
	is_u64(state.renegotiations_down, 1, "one of them down");

	object = compare_pages(&s.near, "pinned", "pinned");
	ok(object && !strstr(object, "odp"), "no ODP members for a pinned MR");
	scene_close(&s);
	rig_close(&rig);
	return tap_done();
}
