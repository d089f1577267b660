// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include "model.h"

#include "base/caps.h"
#include "cmd/eq.h"
#include "cmd/flow.h"
#include "cmd/memic.h"
#include "cmd/mkey.h"
#include "cmd/multicast.h"
#include "cmd/object.h"
#include "cmd/qp.h"
#include "cmd/srq.h"
#include "cmd/umem.h"
#include "data/account.h"
#include "data/dc.h"
#include "data/engine.h"
#include "data/fault.h"
#include "vfio/pci.h"

#include <stdio.h>

#define MODEL_MAX_STEERING 256
#define MODEL_UAR_FIRST 16
#define MODEL_DESCRIPTION "mlx5 model"

/* Numbers start at another value on each device, so that use on the wrong device is noticed */
static void model_table(const struct dev *dev, struct table *table, uint32_t first, uint32_t limit)
{
	table_init(table, first, limit, &dev->context);
	table->next += (limit - first) / FABRIC_DEVICES * (dev->lid - 1u);
}

static void model_clear(struct dev *dev)
{
	fault_drop_all(dev);
	dc_forget(dev);
	dev->run_first = NULL;
	dev->run_last = NULL;
	dev->waiting = NULL;
	eq_delayed_drop(dev);
	table_clear(&dev->qps, qp_release);
	table_clear(&dev->srqs, srq_release);
	table_clear(&dev->cqs, cq_release);
	table_clear(&dev->eqs, eq_release);
	table_clear(&dev->mkeys, mkey_release);
	account_reset(dev);
	table_clear(&dev->pds, NULL);
	table_clear(&dev->uars, NULL);
	table_clear(&dev->xrcds, NULL);
	table_clear(&dev->contexts, NULL);
	table_clear(&dev->umems, umem_release);
	table_clear(&dev->memics, memic_release);
	table_clear(&dev->reserved_qpns, NULL);
	table_clear(&dev->counters, NULL);
	table_clear(&dev->flow_entries, flow_release);
	table_clear(&dev->flow_tables, NULL);
	table_clear(&dev->flow_groups, NULL);
	table_clear(&dev->attachments, multicast_release);
	table_clear(&dev->mappings, NULL);
	sa_forget(dev->fabric, dev);
	dev->stats.mkeys = 0;
	dev->stats.mkey_xlt_bytes = 0;
}

bool model_init(struct dev *dev, struct fabric *fabric, const struct dev_options *options)
{
	memset(dev, 0, sizeof(*dev));
	if (!fabric_add(fabric, dev))
		return false;
	dev->options = *options;
	if (!account_start(dev)) {
		account_end(dev);
		fabric_remove(fabric, dev);
		return false;
	}
	dev->random = options->delay_seed;
	dev->fault_random = options->fault_seed;
	model_table(dev, &dev->eqs, 1, 1 << CAPS_LOG_MAX_EQ);
	model_table(dev, &dev->cqs, 1, 1 << CAPS_LOG_MAX_CQ);
	model_table(dev, &dev->srqs, 1, 1 << CAPS_LOG_MAX_SRQ);
	/* 0 and 1 are QP0 and QP1 */
	model_table(dev, &dev->qps, 2, 1 << CAPS_LOG_MAX_QP);
	model_table(dev, &dev->mkeys, MKEY_FIRST, 1 << CAPS_LOG_MAX_MKEY);
	model_table(dev, &dev->pds, 1, 1 << CAPS_LOG_MAX_PD);
	model_table(dev, &dev->uars, MODEL_UAR_FIRST, PCI_UAR_PAGES);
	model_table(dev, &dev->xrcds, 1, 1 << CAPS_LOG_MAX_XRCD);
	model_table(dev, &dev->contexts, 1, 1 << CAPS_LOG_MAX_CONTEXT);
	model_table(dev, &dev->umems, 1, 1 << CAPS_LOG_MAX_UMEM);
	model_table(dev, &dev->memics, 1, 1 + MEMIC_COUNT);
	model_table(dev, &dev->reserved_qpns, OBJECT_QPNS_FIRST, OBJECT_QPNS_LIMIT);
	model_table(dev, &dev->counters, 1, MODEL_MAX_STEERING);
	model_table(dev, &dev->flow_tables, 1, MODEL_MAX_STEERING);
	model_table(dev, &dev->flow_groups, 1, MODEL_MAX_STEERING);
	model_table(dev, &dev->flow_entries, 1, MODEL_MAX_STEERING);
	model_table(dev, &dev->attachments, 1, 1 + (CAPS_MAX_ATTACHED << CAPS_LOG_MAX_GROUP));
	model_table(dev, &dev->mappings, 1, CAPS_MAX_MAPPINGS);
	snprintf((char *)dev->node_description, sizeof(dev->node_description),
		 MODEL_DESCRIPTION);
	dev->clear = model_clear;
	caps_init(dev);
	pci_init(dev);
	return true;
}

void model_reset(struct dev *dev)
{
	model_clear(dev);
	dev->command_queue = 0;
	dev->command_queue_high = 0;
	dev->state = DEV_DISABLED;
	dev->issi = 0;
	dev->port_caps = 0;
	caps_init(dev);
	pci_init(dev);
}

void model_destroy(struct dev *dev)
{
	model_clear(dev);
	account_end(dev);
	guest_unmap_all(&dev->guest);
	fabric_remove(dev->fabric, dev);
}

/* Run the first queue pair of the run list */
static void model_run(struct dev *dev)
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

/* Timed work. Returns ms until there is more to do, -1 if nothing is due. */
static int model_due(struct dev *dev)
{
	uint64_t wake = engine_wake(dev);
	/* last, as other work can make events */
	int due = eq_delayed_work(dev);

	if (dev->run_first)
		return 0;
	if (wake != UINT64_MAX && (due < 0 || wake < due * 1000000ull))
		due = (wake + 999999) / 1000000;
	return due;
}

/* A device can make work for another: run all of them first, then compute when more is due */
int model_work(struct fabric *fabric)
{
	int due = -1;
	unsigned int i;
	struct dev *dev;

	fabric_for_each(fabric, i, dev)
		model_run(dev);
	fabric_for_each(fabric, i, dev) {
		int ms = model_due(dev);

		if (ms >= 0 && (due < 0 || ms < due))
			due = ms;
	}
	return due;
}
