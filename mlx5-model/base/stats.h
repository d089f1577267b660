/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * The device's counters. The guest reads them from the last BAR: one record of 64 bytes each, a
 * name of 56 bytes and a little-endian value of 8.
 */
#ifndef MLX5_MODEL_STATS_H
#define MLX5_MODEL_STATS_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define STATS_LIST(S)                                                      \
	S(commands)		  /* commands executed */                  \
	S(commands_failed)	  /* of these, with a status other than 0 */\
	S(made_to_fail)		  /* commands and UMRs that the option fail made fail */ \
	S(events)		  /* event queue entries written */        \
	S(interrupts)		  /* raised */                             \
	S(completions)		  /* completion queue entries written */   \
	S(completion_errors)	  /* of these, with an error */            \
	S(wqes)			  /* send WQEs that ended */               \
	S(bytes_sent)		  /* SEND */                               \
	S(bytes_written)	  /* RDMA WRITE */                         \
	S(bytes_read)		  /* RDMA READ */                          \
	S(atomics)		  /* */                                    \
	S(bytes_out)		  /* payload that went to another device */\
	S(bytes_in)		  /* payload that came from another */     \
	S(rnr_waits)		  /* attempts that found no receive WQE */   \
	S(umr_posts)		  /* UMR WQEs that succeeded */           \
	S(xlt_entries_written)	  /* translation entries, by UMR and CREATE_MKEY */ \
	S(xlt_bytes_written)	  /* */                                    \
	S(zaps)			  /* UMRs that cleared present entries */\
	S(zapped_entries)	  /* */                                    \
	S(mkeys)		  /* mkeys now */                          \
	S(mkey_xlt_bytes)	  /* bytes of translation now allocated */ \
	S(mkey_xlt_bytes_peak)	  /* */                                    \
	S(mkey_xlt_bytes_created) /* allocated since power-on */           \
	S(lookups_4k)		  /* leaf translations by page size */     \
	S(lookups_64k)		  /* above 4 KiB, up to 64 KiB */          \
	S(lookups_2m)		  /* above 64 KiB, up to 2 MiB */          \
	S(lookups_1g)		  /* above 2 MiB */                        \
	S(page_faults)		  /* page-fault events */                  \
	S(page_faults_requester)  /* WQE, requester */                     \
	S(page_faults_receive)	  /* WQE, receive queue or SRQ */          \
	S(page_faults_rdma)	  /* remote address */                     \
	S(page_faults_memory)	  /* memory scheme */                      \
	S(page_faults_committed)  /* in a message of which a part was moved */ \
	S(page_faults_no_length)  /* without the length of the operation */ \
	S(page_faults_not_last)	  /* events with more to come for the fault */ \
	S(page_faults_naks)	  /* the responder answered not ready */   \
	S(page_faults_resumed)	  /* */                                    \
	S(page_faults_failed)	  /* resumed with error */                 \
	S(page_faults_dropped)	  /* the queue pair was destroyed or reset first */     \
	S(dma_maps)		  /* regions of memory that QEMU has mapped */ \
	S(dma_unmaps)		  /* of these, unmapped again */           \
	S(strict_reports)	  /* errors that hardware would mask */    \
	S(bad_dma)		  /* addresses outside of the guest's memory */ \
	S(cache_mpt_hits)	  /* with the option cache: keys that a card would have found */ \
	S(cache_mpt_misses)	  /* */                                    \
	S(cache_mpt_evictions)	  /* keys that made room for others */     \
	S(cache_mpt_invalidated)  /* keys that were changed or destroyed */ \
	S(cache_mtt_hits)	  /* the same of entries of tables */      \
	S(cache_mtt_misses)	  /* */                                    \
	S(cache_mtt_evictions)	  /* lines of entries */                   \
	S(cache_mtt_invalidated)  /* lines of entries */                   \
	S(cache_fetches)	  /* for all misses; deep tables need two */ \
	S(cache_wait_ns)	  /* that they would take, by the parameters */

struct stats {
#define STATS_FIELD(name) uint64_t name;
	STATS_LIST(STATS_FIELD)
#undef STATS_FIELD
};

#define STATS_RECORD 64

/* The BAR's bytes at offset; reads as zero after the last record */
void stats_read(const struct stats *stats, uint64_t offset, uint8_t *data, size_t length);
void stats_print(const struct stats *stats, FILE *file);

#endif
