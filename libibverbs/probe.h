/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* Which page sizes memory can provide, by the same rules as the kernel's. */
#ifndef HUGEODP_PROBE_H
#define HUGEODP_PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct device_caps;
struct ibv_context;
struct ibv_odp_report;
struct vmas;

/* Where the library looks for its own mappings; the unit tests have their own. */
extern const char *probe_proc_self;

struct probe_range {
	uint64_t addr;
	uint64_t length;
	uint64_t iova;
	uint64_t accepted;  /* page sizes; never 0 */
	uint64_t supported; /* by the device */
	bool hugetlb_only;  /* transparent huge pages do not count */
	/* of this process, whose kernel knows page sizes; NULL: there is none to ask */
	struct ibv_context *context;
};

/* What a device of this process makes of a range whose address and length are set. */
void probe_for_device(struct probe_range *range, struct ibv_context *context,
		      const struct device_caps *caps);

/* Fill in @report for a range that does not wrap around. Returns 0 or an errno value. */
int probe_vmas(const struct probe_range *range, struct vmas *vmas, struct ibv_odp_report *report);

/* The same for the process itself. */
int probe_self(const struct probe_range *range, struct ibv_odp_report *report);

#endif
