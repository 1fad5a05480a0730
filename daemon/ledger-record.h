/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * One record of the ledger as a line of text, "<fnv1a64 hex> <json>\n", and back. A line that is
 * torn, forged or of another shape is refused whole.
 */

#include "daemon/ledger.h"

#define LEDGER_LINE_MAX ((size_t)32 << 10)

/* Text that grows; failed: memory ran out, and what is there is not to be used. */
typedef struct LedgerText {
        char *data;
        size_t size, allocated;
        bool failed;
} LedgerText;

void ledger_text_done(LedgerText *t);

typedef enum LedgerRecordOp {
        LEDGER_RECORD_BOOT,  /* entry.id, entry.action: the next ones; boot_id */
        LEDGER_RECORD_BEGIN, /* entry */
        LEDGER_RECORD_END,   /* entry.id, entry.state */
} LedgerRecordOp;

typedef struct LedgerRecord {
        LedgerRecordOp op;
        LedgerEntry entry; /* owned */
        char boot_id[64];
} LedgerRecord;

/* line: without its newline. Returns 0, or -EBADMSG and *ret untouched. */
int ledger_record_parse(const char *line, size_t size, LedgerRecord *ret);
void ledger_record_done(LedgerRecord *r);

/* Append one line. */
void ledger_record_write_boot(LedgerText *t, uint64_t next_id, uint64_t next_action,
                              const char *boot_id);
void ledger_record_write_begin(LedgerText *t, const LedgerEntry *e);
void ledger_record_write_end(LedgerText *t, uint64_t id, LedgerState state);

/* Frees the strings and empties it. */
void ledger_entry_done(LedgerEntry *e);
