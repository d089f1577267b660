// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include "vfio/pci.h"

#include "base/caps.h"
#include "cmd/cmd.h"
#include "cmd/cq.h"
#include "cmd/eq.h"
#include "cmd/memic.h"
#include "cmd/qp.h"

#define PCI_VENDOR 0x15b3
#define PCI_DEVICE 0x101e /* ConnectX family, virtual function */
#define PCI_CLASS 0x0207  /* InfiniBand controller */
#define PCI_STATUS_CAPABILITIES 0x10
#define PCI_CAPABILITY_POINTER 0x34
#define PCI_MSIX 0x40
#define PCI_MSIX_ID 0x11
#define PCI_MSIX_PENDING 0x1000
#define PCI_BAR_64_PREFETCH 0x0c

#define CONFIG_COMMAND 0x04
#define CONFIG_BARS 0x10
#define CONFIG_BARS_END 0x28
#define CONFIG_LINE 0x3c

/* Registers of the init segment, big-endian */
#define REG_FIRMWARE 0x0
#define REG_INTERFACE 0x4
#define REG_QUEUE_HIGH 0x10
#define REG_QUEUE_LOW 0x14
#define REG_DOORBELL 0x18
#define REG_TIMER_HIGH 0x1000
#define REG_TIMER_LOW 0x1004
#define REG_HEALTH_COUNTER 0x1010

#define FIRMWARE_SUBMINOR 1
#define COMMAND_INTERFACE 5

/* In a UAR page */
#define UAR_CQ_DOORBELL 0x20
#define UAR_EQ_ARM 0x40
#define UAR_EQ_UPDATE 0x48
#define UAR_SQ_DOORBELL_WQE 0x600
#define UAR_SQ_DOORBELL 0x800

static void put_le16(uint8_t *p, uint16_t v)
{
	v = htole16(v);
	memcpy(p, &v, sizeof(v));
}

static void put_le32(uint8_t *p, uint32_t v)
{
	v = htole32(v);
	memcpy(p, &v, sizeof(v));
}

void pci_init(struct dev *dev)
{
	uint8_t *c = dev->config;
	unsigned int bar;

	memset(c, 0, sizeof(dev->config));
	put_le16(c, PCI_VENDOR);
	put_le16(c + 2, PCI_DEVICE);
	put_le16(c + 6, PCI_STATUS_CAPABILITIES);
	put_le16(c + 10, PCI_CLASS);
	for (bar = 0; bar < 6; bar += 2)
		put_le32(c + CONFIG_BARS + 4 * bar, PCI_BAR_64_PREFETCH);
	put_le16(c + 0x2c, PCI_VENDOR);
	put_le16(c + 0x2e, PCI_DEVICE);
	c[PCI_CAPABILITY_POINTER] = PCI_MSIX;
	c[PCI_MSIX] = PCI_MSIX_ID;
	put_le16(c + PCI_MSIX + 2, DEV_VECTORS - 1);
	put_le32(c + PCI_MSIX + 4, PCI_BAR_MSIX);
	put_le32(c + PCI_MSIX + 8, PCI_MSIX_PENDING | PCI_BAR_MSIX);
}

uint32_t pci_bar_size(unsigned int bar)
{
	switch (bar) {
	case PCI_BAR_DEVICE:
		return PCI_BAR_DEVICE_SIZE;
	case PCI_BAR_MSIX:
	case PCI_BAR_STATS:
		return PCI_BAR_OTHER_SIZE;
	}
	return 0;
}

void pci_config_read(const struct dev *dev, uint64_t offset, uint8_t *data, size_t length)
{
	memset(data, 0, length);
	if (offset >= sizeof(dev->config))
		return;
	if (length > sizeof(dev->config) - offset)
		length = sizeof(dev->config) - offset;
	memcpy(data, dev->config + offset, length);
}

/* QEMU sizes the BARs and handles MSI-X itself: writes that it passes on are only stored. */
static bool pci_config_writable(uint64_t offset)
{
	return offset == CONFIG_COMMAND || offset == CONFIG_COMMAND + 1 || offset == CONFIG_LINE ||
	       offset == PCI_MSIX + 3;
}

void pci_config_write(struct dev *dev, uint64_t offset, const uint8_t *data, size_t length)
{
	size_t i;

	for (i = 0; i < length; i++)
		if (pci_config_writable(offset + i))
			dev->config[offset + i] = data[i];
}

static uint32_t pci_register(struct dev *dev, uint64_t offset)
{
	switch (offset) {
	case REG_FIRMWARE:
		return caps_firmware(dev);
	case REG_INTERFACE:
		return COMMAND_INTERFACE << 16 | FIRMWARE_SUBMINOR;
	case REG_QUEUE_HIGH:
		return dev->command_queue >> 32;
	case REG_QUEUE_LOW:
		return (uint32_t)dev->command_queue | CMD_LOG_SLOTS << 4 | CMD_LOG_STRIDE;
	case REG_TIMER_HIGH:
		return dev_now() >> 32;
	case REG_TIMER_LOW:
		return dev_now();
	case REG_HEALTH_COUNTER:
		/* as long as it moves, the device is alive */
		return ++dev->health_counter & 0xffffff;
	}
	return 0;
}

void pci_bar_read(struct dev *dev, unsigned int bar, uint64_t offset, uint8_t *data,
		  size_t length)
{
	size_t i;

	memset(data, 0, length);
	if (bar == PCI_BAR_STATS)
		stats_read(&dev->stats, offset, data, length);
	if (bar != PCI_BAR_DEVICE)
		return;
	if (offset >= CAPS_MEMIC_START) {
		memic_bar_read(dev, offset, data, length);
		return;
	}
	if (offset % 4)
		return;
	for (i = 0; i + 4 <= length; i += 4)
		put_be32(data + i, pci_register(dev, offset + i));
}

static void pci_uar_write(struct dev *dev, uint32_t uar, uint64_t offset, const uint8_t *data,
			  size_t length)
{
	if (offset >= UAR_SQ_DOORBELL) {
		if (length == 8 && !(offset & 0xff))
			qp_doorbell(dev, uar, get_be32(data + 4) >> 8);
	} else if (offset == UAR_SQ_DOORBELL_WQE && length == 8) {
		qp_doorbell_wqe(dev, uar, data);
	} else if (offset == UAR_CQ_DOORBELL && length == 8) {
		cq_doorbell(dev, uar, data);
	} else if ((offset == UAR_EQ_ARM || offset == UAR_EQ_UPDATE) && length == 4) {
		eq_doorbell(dev, uar, get_be32(data), offset == UAR_EQ_ARM);
	}
}

static void pci_register_write(struct dev *dev, uint64_t offset, uint32_t value)
{
	switch (offset) {
	case REG_QUEUE_HIGH:
		dev->command_queue_high = value;
		break;
	case REG_QUEUE_LOW:
		dev->command_queue = (uint64_t)dev->command_queue_high << 32 | (value & ~0xfffu);
		break;
	case REG_DOORBELL:
		cmd_doorbell(dev, value);
		break;
	}
}

void pci_bar_write(struct dev *dev, unsigned int bar, uint64_t offset, const uint8_t *data,
		   size_t length)
{
	uint64_t page = offset >> PCI_UAR_SHIFT;

	if (bar != PCI_BAR_DEVICE)
		return;
	if (offset >= CAPS_MEMIC_START)
		memic_bar_write(dev, offset, data, length);
	else if (!page && length == 4)
		pci_register_write(dev, offset, get_be32(data));
	else if (page && table_get(&dev->uars, page))
		pci_uar_write(dev, page, offset & ((1u << PCI_UAR_SHIFT) - 1), data, length);
}
