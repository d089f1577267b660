// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include "dev.h"

#include "caps.h"
#include "cq.h"
#include "engine.h"
#include "eq.h"
#include "fabric.h"
#include "fault.h"
#include "mkey.h"
#include "multicast.h"
#include "pci.h"
#include "qp.h"
#include "sa.h"
#include "srq.h"
#include "umem.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#define DEV_MAX_STEERING 256
#define DEV_UAR_FIRST 16

uint64_t dev_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ull + now.tv_nsec;
}

/* xorshift: the delays of a seed are the same in each run */
uint64_t dev_random(struct dev *dev)
{
	dev->random ^= dev->random << 13;
	dev->random ^= dev->random >> 7;
	dev->random ^= dev->random << 17;
	return dev->random;
}

static void dev_say(const struct dev *dev, const char *what, const char *format,
		    va_list arguments)
{
	fprintf(stderr, "mlx5_%u: %s", dev->lid - 1u, what);
	vfprintf(stderr, format, arguments);
	fputc('\n', stderr);
}

void trace(const struct dev *dev, const char *format, ...)
{
	va_list arguments;

	if (!dev->options.trace)
		return;
	va_start(arguments, format);
	dev_say(dev, "", format, arguments);
	va_end(arguments);
}

void strict_report(struct dev *dev, const char *format, ...)
{
	va_list arguments;

	if (!dev->options.strict)
		return;
	dev->stats.strict_reports++;
	va_start(arguments, format);
	dev_say(dev, "strict: ", format, arguments);
	va_end(arguments);
}

/* Each device begins in another place, so that a number taken to the wrong device shows */
static void dev_table(const struct dev *dev, struct table *table, uint32_t first, uint32_t limit)
{
	table_init(table, first, limit);
	table->next += (limit - first) / FABRIC_DEVICES * (dev->lid - 1u);
}

bool dev_init(struct dev *dev, struct fabric *fabric, const struct dev_options *options)
{
	memset(dev, 0, sizeof(*dev));
	if (!fabric_add(fabric, dev))
		return false;
	dev->options = *options;
	dev->random = options->delay_seed;
	dev_table(dev, &dev->eqs, 1, 1 << CAPS_LOG_MAX_EQ);
	dev_table(dev, &dev->cqs, 1, 1 << CAPS_LOG_MAX_CQ);
	dev_table(dev, &dev->srqs, 1, 1 << CAPS_LOG_MAX_SRQ);
	/* 0 and 1 are the well-known ones */
	dev_table(dev, &dev->qps, 2, 1 << CAPS_LOG_MAX_QP);
	dev_table(dev, &dev->mkeys, MKEY_FIRST, 1 << CAPS_LOG_MAX_MKEY);
	dev_table(dev, &dev->pds, 1, 1 << CAPS_LOG_MAX_PD);
	dev_table(dev, &dev->uars, DEV_UAR_FIRST, PCI_UAR_PAGES);
	dev_table(dev, &dev->xrcds, 1, 1 << CAPS_LOG_MAX_XRCD);
	dev_table(dev, &dev->contexts, 1, 1 << CAPS_LOG_MAX_CONTEXT);
	dev_table(dev, &dev->umems, 1, 1 << CAPS_LOG_MAX_UMEM);
	dev_table(dev, &dev->counters, 1, DEV_MAX_STEERING);
	dev_table(dev, &dev->flow_tables, 1, DEV_MAX_STEERING);
	dev_table(dev, &dev->flow_groups, 1, DEV_MAX_STEERING);
	dev_table(dev, &dev->attachments, 1, 1 + (CAPS_MAX_ATTACHED << CAPS_LOG_MAX_GROUP));
	snprintf((char *)dev->node_description, sizeof(dev->node_description), "hugeodp");
	caps_init(dev);
	pci_init(dev);
	return true;
}

void dev_clear(struct dev *dev)
{
	fault_drop_all(dev);
	dev->run_first = NULL;
	dev->run_last = NULL;
	dev->waiting = NULL;
	eq_delayed_drop(dev);
	table_clear(&dev->qps, qp_release);
	table_clear(&dev->srqs, srq_release);
	table_clear(&dev->cqs, cq_release);
	table_clear(&dev->eqs, eq_release);
	table_clear(&dev->mkeys, mkey_release);
	table_clear(&dev->pds, NULL);
	table_clear(&dev->uars, NULL);
	table_clear(&dev->xrcds, NULL);
	table_clear(&dev->contexts, NULL);
	table_clear(&dev->umems, umem_release);
	table_clear(&dev->counters, NULL);
	table_clear(&dev->flow_tables, NULL);
	table_clear(&dev->flow_groups, NULL);
	table_clear(&dev->attachments, multicast_release);
	sa_forget(dev->fabric, dev);
	dev->stats.mkeys = 0;
	dev->stats.mkey_xlt_bytes = 0;
}

void dev_reset(struct dev *dev)
{
	dev_clear(dev);
	dev->command_queue = 0;
	dev->command_queue_high = 0;
	caps_init(dev);
	pci_init(dev);
}

void dev_destroy(struct dev *dev)
{
	dev_clear(dev);
	guest_unmap_all(&dev->guest);
	fabric_remove(dev->fabric, dev);
}

void dev_run(struct dev *dev)
{
	struct qp *qp = dev->run_first;

	if (!qp)
		return;
	dev->run_first = qp->next;
	if (!dev->run_first)
		dev->run_last = NULL;
	qp->ready = false;
	if (engine_run(dev, qp))
		qp_schedule(dev, qp);
}

int dev_due(struct dev *dev)
{
	uint64_t wake = engine_wake(dev);
	/* last, as all else can make events */
	int due = eq_delayed_work(dev);

	if (dev->run_first)
		return 0;
	if (wake != UINT64_MAX && (due < 0 || wake < due * 1000000ull))
		due = (wake + 999999) / 1000000;
	return due;
}
