// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include "dev.h"

#include "caps.h"
#include "cq.h"
#include "engine.h"
#include "eq.h"
#include "mkey.h"
#include "pci.h"
#include "qp.h"
#include "srq.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>

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

static void dev_say(const char *what, const char *format, va_list arguments)
{
	fprintf(stderr, "mlx5: %s", what);
	vfprintf(stderr, format, arguments);
	fputc('\n', stderr);
}

void trace(const struct dev *dev, const char *format, ...)
{
	va_list arguments;

	if (!dev->options.trace)
		return;
	va_start(arguments, format);
	dev_say("", format, arguments);
	va_end(arguments);
}

void strict_report(struct dev *dev, const char *format, ...)
{
	va_list arguments;

	if (!dev->options.strict)
		return;
	dev->stats.strict_reports++;
	va_start(arguments, format);
	dev_say("strict: ", format, arguments);
	va_end(arguments);
}

int dev_init(struct dev *dev, const struct dev_options *options)
{
	memset(dev, 0, sizeof(*dev));
	dev->options = *options;
	dev->random = options->delay_seed;
	table_init(&dev->eqs, 1, 1 << CAPS_LOG_MAX_EQ);
	table_init(&dev->cqs, 1, 1 << CAPS_LOG_MAX_CQ);
	table_init(&dev->srqs, 1, 1 << CAPS_LOG_MAX_SRQ);
	/* 0 and 1 are the well-known ones */
	table_init(&dev->qps, 2, 1 << CAPS_LOG_MAX_QP);
	table_init(&dev->mkeys, MKEY_FIRST, 1 << CAPS_LOG_MAX_MKEY);
	table_init(&dev->pds, 1, 1 << CAPS_LOG_MAX_PD);
	table_init(&dev->uars, DEV_UAR_FIRST, PCI_UAR_PAGES);
	table_init(&dev->xrcds, 1, 1 << CAPS_LOG_MAX_XRCD);
	table_init(&dev->contexts, 1, 1 << CAPS_LOG_MAX_CONTEXT);
	table_init(&dev->umems, 1, 1 << CAPS_LOG_MAX_UMEM);
	snprintf((char *)dev->node_description, sizeof(dev->node_description), "hugeodp");
	caps_init(dev);
	pci_init(dev);
	return 0;
}

static void dev_clear(struct dev *dev)
{
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
	table_clear(&dev->umems, NULL);
	dev->stats.mkeys = 0;
	dev->stats.mkey_xlt_bytes = 0;
}

void dev_reset(struct dev *dev)
{
	dev_clear(dev);
	dev->command_queue = 0;
	dev->command_queue_high = 0;
	dev->hca_enabled = false;
	caps_init(dev);
	pci_init(dev);
}

void dev_destroy(struct dev *dev)
{
	dev_clear(dev);
	guest_unmap_all(&dev->guest);
}

int dev_work(struct dev *dev)
{
	struct qp *qp;
	uint64_t wake;
	int due;

	engine_wake(dev);
	qp = dev->run_first;
	if (qp) {
		dev->run_first = qp->next;
		if (!dev->run_first)
			dev->run_last = NULL;
		qp->ready = false;
		if (engine_run(dev, qp))
			qp_schedule(dev, qp);
	}
	/* last, as all of the above can make events */
	wake = engine_wake(dev);
	due = eq_delayed_work(dev);
	if (dev->run_first)
		return 0;
	if (wake != UINT64_MAX && (due < 0 || wake < due * 1000000ull))
		due = (wake + 999999) / 1000000;
	return due;
}
