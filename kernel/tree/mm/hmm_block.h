/* SPDX-License-Identifier: GPL-2.0 */
/* Between mm/hmm.c and mm/hmm_block.c. */
#ifndef _MM_HMM_BLOCK_H
#define _MM_HMM_BLOCK_H

struct hmm_range;

int hmm_block_range_fault(struct hmm_range *range, bool *locked);

#endif
