/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Tells once when a client leaves the bus. Nothing here blocks. */

#include <systemd/sd-bus.h>

#include "util/macro.h"

typedef struct BusWatch BusWatch;

/* May free the watch. */
typedef void (*bus_watch_callback_t)(void *userdata);

/* name: a unique name, of at most 63 bytes. Who has left already is told, too. 0 or -errno. */
int bus_watch_new(sd_bus *bus, const char *name, bus_watch_callback_t callback, void *userdata,
                  BusWatch **ret);
BusWatch *bus_watch_free(BusWatch *w);
DEFINE_CLEANUP(BusWatch *, bus_watch_free);

const char *bus_watch_name(const BusWatch *w);
