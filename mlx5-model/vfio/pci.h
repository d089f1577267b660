/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* The PCI function: configuration header, registers, doorbells. */
#ifndef MLX5_MODEL_PCI_H
#define MLX5_MODEL_PCI_H

#include "base/caps.h"

#define PCI_BAR_DEVICE 0
#define PCI_BAR_MSIX 2
#define PCI_BAR_STATS 4
/* The registers, a page for each UAR, and the device's memory */
#define PCI_BAR_DEVICE_SIZE (32u << 20)
#define PCI_BAR_OTHER_SIZE 0x2000u
#define PCI_UAR_SHIFT 12
#define PCI_UAR_PAGES (CAPS_MEMIC_START >> PCI_UAR_SHIFT)

void pci_init(struct dev *dev);
uint32_t pci_bar_size(unsigned int bar);
/* Accept any offset and length; undefined registers read as zero and ignore writes */
void pci_config_read(const struct dev *dev, uint64_t offset, uint8_t *data, size_t length);
void pci_config_write(struct dev *dev, uint64_t offset, const uint8_t *data, size_t length);
void pci_bar_read(struct dev *dev, unsigned int bar, uint64_t offset, uint8_t *data,
		  size_t length);
void pci_bar_write(struct dev *dev, unsigned int bar, uint64_t offset, const uint8_t *data,
		   size_t length);

#endif
