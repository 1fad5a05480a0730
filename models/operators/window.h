/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * Windows that slide over the spatial dimensions of a tensor [N,C,D1,D2,…], as convolutions and
 * pools have them.
 */

#include "models/operators/common.h"

#define SPATIAL_MAX (TENSOR_RANK_MAX - 2)

typedef struct Window {
        size_t rank; /* spatial dimensions: the following count */
        int64_t in[SPATIAL_MAX];
        int64_t kernel[SPATIAL_MAX];
        int64_t stride[SPATIAL_MAX];
        int64_t dilation[SPATIAL_MAX];
        int64_t begin[SPATIAL_MAX]; /* padding before the first element */
        int64_t end[SPATIAL_MAX];
        int64_t out[SPATIAL_MAX];
        size_t in_count, kernel_count, out_count;
} Window;

/* One element of the window that lies on an element of the input: where it is in either. */
typedef struct Tap {
        uint32_t in;
        uint32_t kernel;
} Tap;

/* From attributes strides, dilations, pads, auto_pad, ceil_mode, for input x of rank >= 3. */
int window_init(Window *w, const Node *n, const Shape *x, const Ints *kernel, Error *e);
/* Room for the taps of any position. */
int window_taps_new(const Window *w, Tap **ret);
/* The taps at output position number `at`, in the kernel's order. Where ret_padded is set: how many
 * there would be if padding were input. */
size_t window_taps(const Window *w, size_t at, Tap *taps, size_t *ret_padded);

typedef struct Convolution {
        Window window;
        size_t batch, channels, group, maps; /* maps: output channels */
        Shape out;
} Convolution;

/* Shapes as for Conv; spends the work on n. */
int convolution_init(Convolution *c, const Node *n, const Shape *x, const Shape *w, Error *e);
/* Sums without bias: float64 of float32 and float64 tensors, int64 of int32 ones. Both of one type.
 */
int convolution_sums(const Convolution *c, const Tensor *x, const Tensor *w, Tensor **ret,
                     Error *e);
