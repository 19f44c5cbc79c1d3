/* llama4.h - the whole C ABI of llama4go.
 *
 * A program opens a device by name, allocates buffers on it, fills them, runs operations on a
 * stream and closes what it opened, in the reverse order. `libllama4` holds this interface and
 * the CPU backend; it opens `libllama4_cuda` or `libllama4_simt` at run time when such a device
 * is asked for, so a program that links or loads libllama4 runs with and without a GPU. They are
 * looked for in the folder that the environment variable LLAMA4_BACKENDS names, beside libllama4
 * and where the system keeps libraries.
 *
 * Conventions
 *   Status     Every function that can fail returns an ll4_status and takes an ll4_error that the
 *              caller owns (or NULL). Nothing throws, prints, exits or aborts across this header.
 *   Sizes      The first field of every struct passed in is `size`, set to sizeof the struct by
 *              the caller. A smaller (older) struct reads as zero in the fields it lacks; a larger
 *              (newer) one is refused if it uses fields that this library does not know.
 *   Tensors    Dense and row-major, described by ll4_tensor; buffers do not know shapes. Every
 *              tensor is checked against its buffer, its dtype and its shape before a kernel runs.
 *              It begins at a multiple of its element's size; what an operation writes overlaps
 *              nothing that it reads, unless the operation says so.
 *   Names      T tokens of the ragged batch, B sequences, H hidden size, Hq/Hkv query/KV heads,
 *              D head dimension, E experts, F expert intermediate size, V vocabulary, P pages.
 *              Of pictures: I tiles, each a sequence of the vision tower.
 *   act        The activation dtype: LL4_F32 or LL4_BF16, one of them throughout a call.
 *   Offsets    Byte and element offsets are 64-bit everywhere; positions, token ids and page
 *              numbers are 32-bit.
 *   Threads    Objects of one device may be used from any thread. Calls on one stream run in
 *              order; calls from several threads on one stream are not ordered among themselves.
 *   Values     Shapes are known to the host and checked when an operation is called. Values in
 *              device memory (ids, rows, pages, offsets, positions) are found wrong when it runs:
 *              the CPU says so in the call itself; a GPU leaves out what they would have led to,
 *              writes nothing out of bounds, and says so in a later call that waits for the
 *              stream (ll4_stream_synchronize, ll4_read).
 *   Bits       On the CPU the same input gives the same bits, for any number of threads, any batch
 *              around a sequence and any split of a prompt into pieces, on one instruction set. On
 *              a GPU the same call gives the same bits each time; which kernel computes it is
 *              chosen by the sizes of the batch, so the last bits may depend on these.
 */
#ifndef LLAMA4_H
#define LLAMA4_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(_WIN32)
#define LL4_EXPORT __declspec(dllexport)
#else
#define LL4_EXPORT __attribute__((visibility("default")))
#endif

/* Raised whenever a struct or a function of this header changes incompatibly. */
#define LL4_ABI_VERSION 2u

/* ---- status and error ------------------------------------------------------------------- */

typedef enum ll4_status {
  LL4_OK = 0,
  LL4_INVALID_ARGUMENT = 1, /* a null pointer, a wrong shape, dtype, range or size field */
  LL4_OUT_OF_MEMORY = 2,    /* the message says how much was asked for and what is free */
  LL4_UNSUPPORTED = 3,      /* valid, but this device or library cannot do it */
  LL4_NO_DEVICE = 4,        /* no such backend or device here; the message says what to do */
  LL4_DEVICE_LOST = 5,      /* the device failed; everything on it is lost */
  LL4_INTERNAL = 6          /* a bug in this library */
} ll4_status;

/* Filled when a call fails, untouched when it succeeds. `operation` and `message` are
 * NUL-terminated and one line each. */
typedef struct ll4_error {
  uint32_t size;
  int32_t code; /* an ll4_status */
  char operation[32];
  char message[472];
} ll4_error;

/* ---- objects ---------------------------------------------------------------------------- */

typedef struct ll4_device ll4_device;
typedef struct ll4_buffer ll4_buffer;
typedef struct ll4_stream ll4_stream;
typedef struct ll4_event ll4_event;
typedef struct ll4_graph ll4_graph;

typedef enum ll4_dtype {
  LL4_F32 = 1,
  LL4_BF16 = 2,
  LL4_F16 = 3,
  LL4_I32 = 4,
  LL4_F8 = 5, /* e4m3fn: no infinities, S.1111.111 is NaN, the largest is 448 */
  LL4_I8 = 6, /* -128 .. 127 */
  LL4_I4 = 7  /* two to a byte, the even index low, value + 8; a row begins at a byte of its own */
} ll4_dtype;

/* How a matmul works: its operands' precision. Sums are always fp32. */
typedef enum ll4_compute {
  LL4_COMPUTE_AUTO = 0, /* bf16 where the device multiplies bf16 natively, else f32 */
  LL4_COMPUTE_F32 = 1,  /* activations stay as they are: parity mode */
  LL4_COMPUTE_BF16 = 2  /* activations are rounded to bf16 first */
} ll4_compute;

typedef enum ll4_layout {
  LL4_LAYOUT_NK = 0, /* [N, K]: one row an output, as linear layers are stored */
  LL4_LAYOUT_KN = 1  /* [K, N]: one row an input, as fused experts are stored */
} ll4_layout;

enum { LL4_MAX_RANK = 4, LL4_MAX_PARTS = 4 };

/* A view of `shape[0] x ... x shape[rank-1]` elements from byte `offset` of `buffer`.
 * A tensor whose buffer is NULL is absent, which only the fields marked optional may be. */
typedef struct ll4_tensor {
  const ll4_buffer *buffer;
  int64_t offset;
  int32_t dtype;
  int32_t rank;
  int64_t shape[LL4_MAX_RANK];
} ll4_tensor;

/* ---- devices ---------------------------------------------------------------------------- */

typedef struct ll4_device_options {
  uint32_t size;
  int32_t threads; /* CPU: worker threads, 0 for one a core */
  const char *isa; /* CPU: "baseline", "avx2", "avx512", "avx512bf16", "neon"; NULL for the best */
} ll4_device_options;

typedef struct ll4_device_info {
  uint32_t size;
  int32_t host_visible; /* 1: buffer addresses are host addresses */
  int32_t bf16_dot;     /* 1: LL4_COMPUTE_AUTO means bf16 here */
  int32_t threads;      /* CPU: threads that run an operation; 0 elsewhere */
  int64_t memory_total; /* bytes of the device's memory */
  int64_t memory_free;  /* bytes free now, as the system tells it */
  char name[64];        /* as ll4_device_open takes it: "cpu", "cuda:0", "simt" */
  char description[128];
  char isa[32];   /* CPU: the instruction set in use; CUDA: the architecture */
  int32_t graphs; /* 1: records graphs */
  /* CUDA: "00000000:C1:00.0", as NVML writes it; empty elsewhere */
  char pci_bus_id[32];
} ll4_device_info;

/* `name` is "cpu", "cuda", "cuda:N" or "simt". `options` may be NULL. */
LL4_EXPORT ll4_status ll4_device_open(const char *name, const ll4_device_options *options,
                                      ll4_device **device, ll4_error *error);
LL4_EXPORT ll4_status ll4_device_get_info(ll4_device *device, ll4_device_info *info,
                                          ll4_error *error);
/* Refused with LL4_INVALID_ARGUMENT while buffers, streams, events or graphs of it are open: they
 * are counted in the message. NULL is no error. */
LL4_EXPORT ll4_status ll4_device_close(ll4_device *device, ll4_error *error);

/* ---- buffers ---------------------------------------------------------------------------- */

/* New memory of `bytes` (> 0) bytes, aligned to 256, contents undefined. */
LL4_EXPORT ll4_status ll4_buffer_create(ll4_device *device, int64_t bytes, ll4_buffer **buffer,
                                        ll4_error *error);
/* A buffer over memory of the device that the caller owns and keeps valid until destroy: host
 * memory (a mapped file, say) on a host-visible device, a device pointer on CUDA. No copy. */
LL4_EXPORT ll4_status ll4_buffer_wrap(ll4_device *device, void *address, int64_t bytes,
                                      ll4_buffer **buffer, ll4_error *error);
LL4_EXPORT void ll4_buffer_destroy(ll4_buffer *buffer);
LL4_EXPORT void *ll4_buffer_address(const ll4_buffer *buffer);
LL4_EXPORT int64_t ll4_buffer_bytes(const ll4_buffer *buffer);

/* ---- streams, events, copies ------------------------------------------------------------ */

LL4_EXPORT ll4_status ll4_stream_create(ll4_device *device, ll4_stream **stream, ll4_error *error);
/* A stream over a native handle (a CUstream on CUDA) that the caller owns. */
LL4_EXPORT ll4_status ll4_stream_wrap(ll4_device *device, void *native, ll4_stream **stream,
                                      ll4_error *error);
LL4_EXPORT void *ll4_stream_native(const ll4_stream *stream);
LL4_EXPORT ll4_status ll4_stream_synchronize(ll4_stream *stream, ll4_error *error);
LL4_EXPORT void ll4_stream_destroy(ll4_stream *stream);

LL4_EXPORT ll4_status ll4_event_create(ll4_device *device, ll4_event **event, ll4_error *error);
LL4_EXPORT ll4_status ll4_event_record(ll4_event *event, ll4_stream *stream, ll4_error *error);
/* Work put on `stream` later waits until `event` has happened. */
LL4_EXPORT ll4_status ll4_event_wait(ll4_event *event, ll4_stream *stream, ll4_error *error);
LL4_EXPORT ll4_status ll4_event_synchronize(ll4_event *event, ll4_error *error);
/* Milliseconds between two recorded events. */
LL4_EXPORT ll4_status ll4_event_elapsed(ll4_event *start, ll4_event *end, double *milliseconds,
                                        ll4_error *error);
LL4_EXPORT void ll4_event_destroy(ll4_event *event);

/* Host to device. The host memory may be reused when the call returns. */
LL4_EXPORT ll4_status ll4_write(ll4_stream *stream, ll4_buffer *buffer, int64_t offset,
                                const void *host, int64_t bytes, ll4_error *error);
/* Device to host. Waits for the stream: the data is there when the call returns. */
LL4_EXPORT ll4_status ll4_read(ll4_stream *stream, const ll4_buffer *buffer, int64_t offset,
                               void *host, int64_t bytes, ll4_error *error);
/* Within a device; the ranges may not overlap. */
LL4_EXPORT ll4_status ll4_copy(ll4_stream *stream, ll4_buffer *dst, int64_t dst_offset,
                               const ll4_buffer *src, int64_t src_offset, int64_t bytes,
                               ll4_error *error);

/* ---- the ragged batch and the paged KV cache -------------------------------------------- */

/* B sequences, each with its own new tokens and its own past. Token t of sequence b is row
 * seq_start[b] + i of every [T, ...] tensor and stands at absolute position past[b] + i. */
typedef struct ll4_batch {
  int32_t sequences;    /* B */
  int32_t tokens;       /* T = seq_start[B] */
  int32_t max_new;      /* bound of new tokens a sequence: plans are made from these two, so */
  int32_t max_context;  /* bound of past + new tokens     that they need not be read back */
  ll4_tensor seq_start; /* i32 [B + 1], from 0 to T, never descending */
  ll4_tensor past;      /* i32 [B] */
} ll4_batch;

/* One layer's keys and values in pages. Column j of row b of page_table is the page that holds
 * positions [(first_page[b] + j) * page_size, ... + page_size) of sequence b: a chunked layer
 * gives old pages back and raises first_page. */
typedef struct ll4_kv {
  ll4_tensor k;          /* f32, bf16, f8 or i4 [P, Hkv, page_size, D] */
  ll4_tensor v;          /* the same */
  ll4_tensor page_table; /* i32 [B, columns] */
  ll4_tensor first_page; /* i32 [B]; optional: all 0 */
  ll4_tensor k_scale;    /* f32 [P, Hkv, page_size], for f8 and i4 alone: see qkv_epilogue */
  ll4_tensor v_scale;    /* the same */
} ll4_kv;

typedef enum ll4_activations {
  LL4_ACTIVATIONS_PLAIN = 0,
  /* f8 per row: scale = min(max |x|, limit) / 448, q = e4m3(x / scale), saturating */
  LL4_ACTIVATIONS_F8_ROW = 1,
  /* f8 per row and `group` values, as above */
  LL4_ACTIVATIONS_F8_GROUP = 2,
  /* f8 by a scale for all, which is `limit`: q = e4m3(x / limit), saturating */
  LL4_ACTIVATIONS_F8_TENSOR = 3
} ll4_activations;

/* A weight matrix, or a stack of one an expert: [N, K] or [E, N, K] with LL4_LAYOUT_NK, [K, N] or
 * [E, K, N] with LL4_LAYOUT_KN. In bf16 it is what it says, and the fields after layout are zero.
 *
 * Quantized, f8, i8 or i4, it is NK, and W[n, k] = scale[n, g] q[n, k] + offset[n, g] with
 * g = k / group, where the last group of a row may be shorter. The dtype of scales and offsets is
 * one of f32, bf16 and f16; f8 has no offset. With `activations` other than plain, f8's alone, x is
 * quantized too before it is multiplied, in LL4_COMPUTE_F32 as well: it is part of the scheme. Rows
 * times scores (grouped_matmul) are quantized as the scaled rows. With i8 and i4 a CPU takes x as
 * whole multiples of a 127th of the largest of every 32 values, unless compute is LL4_COMPUTE_F32.
 */
typedef struct ll4_weight {
  ll4_tensor data;
  int32_t layout;
  int32_t activations; /* an ll4_activations */
  int64_t group;       /* values along K that share a scale; K or more: the whole row */
  ll4_tensor scale;    /* [N, G] or [E, N, G], G = ceil(K / group) */
  ll4_tensor offset;   /* the same; optional: 0 */
  float limit;         /* of activations; for F8_ROW and F8_GROUP 0 is none */
  int32_t reserved;    /* 0 */
} ll4_weight;

/* ---- operations ------------------------------------------------------------------------- */

/* embed: out[t] = table[ids[t]], or features[ids[t] - V] for ids from V on, which is how the
 * patches of pictures take the place of tokens. An id outside [0, V + rows of features) is an
 * error. */
typedef struct ll4_embed_args {
  uint32_t size;
  ll4_tensor ids;      /* i32 [T] */
  ll4_tensor table;    /* bf16 [V, H] */
  ll4_tensor out;      /* f32 or bf16 [T, H] */
  ll4_tensor features; /* f32 or bf16 [any, H]; optional */
} ll4_embed_args;

/* rms_norm with fused residual add: x += add (if present), then
 * out[t] = x[t] / sqrt(mean(x[t]^2) + eps) * weight, computed in fp32. x, the residual stream, and
 * add may be f32 where act is bf16: then the sums of all layers are never rounded. */
typedef struct ll4_rms_norm_args {
  uint32_t size;
  float eps;
  ll4_tensor x;         /* act or f32 [T, H], updated when add is present */
  ll4_tensor add;       /* act or, with x, f32 [T, H]; optional */
  ll4_tensor weight;    /* bf16 or f32 [H] */
  ll4_tensor out;       /* act [T, H] */
  ll4_tensor unrounded; /* out: f32 [T, H], what out was rounded from; optional */
} ll4_rms_norm_args;

/* layer_norm: out[t] = (x[t] - mean(x[t])) / sqrt(variance(x[t]) + eps) * weight + bias, computed
 * in fp32; the variance is that of the row itself, divided by H. out may be x. */
typedef struct ll4_layer_norm_args {
  uint32_t size;
  float eps;
  ll4_tensor x;      /* act or f32 [T, H] */
  ll4_tensor weight; /* bf16 or f32 [H] */
  ll4_tensor bias;   /* the same */
  ll4_tensor out;    /* act or f32 [T, H] */
} ll4_layer_norm_args;

/* qkv_epilogue: what lies between the QKV matmul and attention, in one operation.
 * With inv_freq: pairs (2i, 2i+1) of q and k turn by position * inv_freq[i], or with angles, of
 * which only one may be given, by angles[position][i]; then, with qk_norm,
 * each head of q and k is divided by sqrt(mean(square) + qk_norm_eps). With attn_scale != 0,
 * q *= 1 + attn_scale * ln(1 + floor((position + 1) / floor_scale)). k and v go to the cache.
 * In one of f8 or i4 each head of a token has a scale, and what attention sees is scale * q:
 * f8: scale = max |x| / 448, q = e4m3(x / scale); i4: scale = max |x| / 7, q = round(x / scale),
 * ties to even, in -7 .. 7; scale 1 for a head of zeros, NaN where a value is not finite. */
typedef struct ll4_qkv_epilogue_args {
  uint32_t size;
  int32_t qk_norm;
  float qk_norm_eps;
  float attn_scale;
  float floor_scale;
  int32_t reserved; /* 0 */
  ll4_batch batch;
  ll4_tensor qkv;      /* act or f32 [T, (Hq + 2 Hkv) D]: q, k, v side by side */
  ll4_tensor inv_freq; /* f32 [D / 2]; optional: no rotation */
  ll4_tensor q;        /* out: act [T, Hq, D] */
  ll4_kv kv;
  ll4_tensor angles; /* f32 [batch.max_context or more, D / 2], radians; optional */
} ll4_qkv_epilogue_args;

/* attention over the paged cache, prefill and decode alike. The query at position p sees the
 * keys at j <= p, and with chunk > 0 only those with j / chunk == p / chunk; with bidirectional,
 * for which chunk is 0, all keys of its sequence, past and new. Query head h reads KV head
 * h / (Hq / Hkv). Softmax in fp32 over scale * q.k. */
typedef struct ll4_attention_args {
  uint32_t size;
  float scale;
  int32_t chunk; /* 0: the whole context */
  int32_t compute;
  ll4_batch batch;
  ll4_tensor q; /* act [T, Hq, D] */
  ll4_kv kv;
  ll4_tensor out; /* act [T, Hq, D] */
  int32_t bidirectional;
  int32_t reserved; /* 0 */
} ll4_attention_args;

typedef enum ll4_activation {
  LL4_ACTIVATION_NONE = 0,
  LL4_ACTIVATION_GELU = 1 /* x (1 + erf(x / sqrt(2))) / 2, not an approximation by tanh */
} ll4_activation;

/* matmul: out = activation(x W^T + bias) for W the parts stacked along N (q, k and v, or gate and
 * up, in one call); with accumulate, out += that. */
typedef struct ll4_matmul_args {
  uint32_t size;
  int32_t parts; /* 1 .. LL4_MAX_PARTS */
  int32_t compute;
  int32_t accumulate;
  ll4_tensor x;                     /* act [T, K] */
  ll4_weight weight[LL4_MAX_PARTS]; /* [N_i, K] or [K, N_i] */
  ll4_tensor out;                   /* act or f32 [T, sum of N_i] */
  ll4_tensor bias[LL4_MAX_PARTS];   /* f32 [N_i]; optional, each for itself */
  int32_t activation;               /* an ll4_activation */
  int32_t reserved;                 /* 0 */
} ll4_matmul_args;

/* router: logits = x W^T in fp32 (where act is bf16, x may be the norm's `unrounded`); the top_k
 * largest of a token (ties: the lowest expert), their sigmoid as score; then the T * top_k rows in
 * order of (expert, token). */
typedef struct ll4_router_args {
  uint32_t size;
  int32_t top_k;
  ll4_tensor x;          /* act or f32 [T, H] */
  ll4_tensor weight;     /* bf16 [E, H] */
  ll4_tensor logits;     /* out: f32 [T, E] */
  ll4_tensor experts;    /* out: i32 [T, top_k], best first */
  ll4_tensor scores;     /* out: f32 [T, top_k] */
  ll4_tensor offsets;    /* out: i32 [E + 1]: rows offsets[e] .. offsets[e + 1] belong to e */
  ll4_tensor row_tokens; /* out: i32 [T * top_k]: the token of a row */
  ll4_tensor row_scores; /* out: f32 [T * top_k] */
} ll4_router_args;

/* grouped_matmul: for every row r of expert e (offsets), y[r] = (s x) W[e], where x is
 * x[gather[r]] (or x[r]) and s is row_scores[r] (or 1). With swiglu, N = 2 F and
 * y = silu(first F) * (last F). With scatter, out[t] is the sum of the rows with
 * scatter[r] == t in ascending r (0 where there is none); else out[r] = y[r]. */
typedef struct ll4_grouped_matmul_args {
  uint32_t size;
  int32_t compute;
  int32_t swiglu;
  int32_t reserved;      /* 0 */
  ll4_tensor x;          /* act [T, K] with gather, else [R, K] */
  ll4_weight weight;     /* [E, K, N] or [E, N, K] */
  ll4_tensor offsets;    /* i32 [E + 1], offsets[E] = R */
  ll4_tensor gather;     /* i32 [R]; optional */
  ll4_tensor row_scores; /* f32 [R]; optional */
  ll4_tensor scatter;    /* i32 [R]; optional */
  ll4_tensor out;        /* act or f32 [R, N], [R, N / 2] with swiglu, [T, ...] with scatter */
} ll4_grouped_matmul_args;

/* swiglu: out = silu(gate_up[:, :F]) * gate_up[:, F:], for dense layers and shared experts. */
typedef struct ll4_swiglu_args {
  uint32_t size;
  ll4_tensor gate_up; /* act [T, 2 F] */
  ll4_tensor out;     /* act [T, F] */
} ll4_swiglu_args;

/* logits of chosen rows: out[r] = x[rows[r]] W^T, in fp32. */
typedef struct ll4_logits_args {
  uint32_t size;
  int32_t compute;
  ll4_tensor x;      /* act [T, H], after the final norm */
  ll4_tensor rows;   /* i32 [R], each in [0, T) */
  ll4_weight weight; /* [V, H] */
  ll4_tensor out;    /* f32 [R, V] */
} ll4_logits_args;

/* log_softmax: out[r] = x[r] - log(sum(exp(x[r]))). out may be x. */
typedef struct ll4_log_softmax_args {
  uint32_t size;
  ll4_tensor x;   /* f32 [R, V] */
  ll4_tensor out; /* f32 [R, V] */
} ll4_log_softmax_args;

/* top_k: the k largest of each row, largest first, ties by the lowest index. */
typedef struct ll4_top_k_args {
  uint32_t size;
  ll4_tensor x;       /* f32 [R, V] */
  ll4_tensor values;  /* out: f32 [R, k] */
  ll4_tensor indices; /* out: i32 [R, k] */
} ll4_top_k_args;

/* sample: one token a row. Temperature 0 takes the largest logit, ties by the lowest id. Otherwise
 * a token's mass is e^((x - max x) / temperature), rounded to a multiple of 2^-40, and of the
 * tokens are kept: the top_k of the largest logits, with all equal to the last of them (0: all);
 * of these the largest until their masses reach top_p of all of theirs, the one that gets there
 * included, ties by the lowest id; of these the ones with at least min_p of the largest mass. The
 * token drawn is the one at which the kept masses, added up by rising id, pass draw of their sum.
 * Sums are of integers: they do not depend on the device. At least one token is kept. */
typedef struct ll4_sample_args {
  uint32_t size;
  ll4_tensor x;           /* f32 [R, V], logits */
  ll4_tensor temperature; /* f32 [R], at least 0 */
  ll4_tensor top_k;       /* i32 [R], at least 0 */
  ll4_tensor top_p;       /* f32 [R], 0 to 1; 1 keeps all */
  ll4_tensor min_p;       /* f32 [R], 0 to 1; 0 keeps all */
  ll4_tensor draw;        /* f32 [R], in [0, 1) */
  ll4_tensor ids;         /* out: i32 [R]; -1 where a logit is NaN or +Inf or all are -Inf */
} ll4_sample_args;

/* unfold: the patches of tiles as rows for a matmul. With g = S / patch patches along a side, row
 * y g + x of a tile is its patch at row y, column x, in the order channel, row, column. Further
 * rows and columns of out are 0: places for the class token, and an aligned width. */
typedef struct ll4_unfold_args {
  uint32_t size;
  int32_t patch;  /* side of a patch; S is a multiple */
  ll4_tensor x;   /* f32 or bf16 [I, channels, S, S] */
  ll4_tensor out; /* act [I, g^2 or more, channels * patch^2 or more] */
} ll4_unfold_args;

/* pixel_shuffle: squares of factor x factor patches become one row. x has g x g patches a tile, row
 * by row, and maybe further rows, which are dropped; out row y (g / factor) + x has the patches of
 * its square side by side, row by row. */
typedef struct ll4_pixel_shuffle_args {
  uint32_t size;
  int32_t factor; /* a divisor of g */
  ll4_tensor x;   /* act [I, g^2 or more, C] */
  ll4_tensor out; /* act [I, (g / factor)^2, C * factor^2] */
} ll4_pixel_shuffle_args;

/* quantize: a bf16 weight becomes one of fewer bits, NK whatever x is: for each group of a row
 *   f8: scale = max |w| / 448, q = e4m3(w / scale), saturating
 *   i4: scale = max(max |w|, 1e-6) / 8, q = round(w / scale) in -8 .. 7, ties to even
 * computed in fp32 with IEEE division, and with the scale as it is stored; an f8 group of zeros has
 * scale 1, and where the scale's type makes it 0, the division is by 1. A group with a value that
 * is not finite becomes NaN (i4: NaN scale, f8: NaN values). out's activations and limit change
 * nothing; it has no offset. */
typedef struct ll4_quantize_args {
  uint32_t size;
  int32_t reserved; /* 0 */
  ll4_weight x;     /* bf16 [N, K] or [K, N], or a stack */
  ll4_weight out;   /* out: f8 or i4, the same shape as NK */
} ll4_quantize_args;

LL4_EXPORT ll4_status ll4_embed(ll4_stream *, const ll4_embed_args *, ll4_error *);
LL4_EXPORT ll4_status ll4_rms_norm(ll4_stream *, const ll4_rms_norm_args *, ll4_error *);
LL4_EXPORT ll4_status ll4_qkv_epilogue(ll4_stream *, const ll4_qkv_epilogue_args *, ll4_error *);
LL4_EXPORT ll4_status ll4_attention(ll4_stream *, const ll4_attention_args *, ll4_error *);
LL4_EXPORT ll4_status ll4_matmul(ll4_stream *, const ll4_matmul_args *, ll4_error *);
LL4_EXPORT ll4_status ll4_router(ll4_stream *, const ll4_router_args *, ll4_error *);
LL4_EXPORT ll4_status ll4_grouped_matmul(ll4_stream *, const ll4_grouped_matmul_args *,
                                         ll4_error *);
LL4_EXPORT ll4_status ll4_swiglu(ll4_stream *, const ll4_swiglu_args *, ll4_error *);
LL4_EXPORT ll4_status ll4_logits(ll4_stream *, const ll4_logits_args *, ll4_error *);
LL4_EXPORT ll4_status ll4_log_softmax(ll4_stream *, const ll4_log_softmax_args *, ll4_error *);
LL4_EXPORT ll4_status ll4_top_k(ll4_stream *, const ll4_top_k_args *, ll4_error *);
LL4_EXPORT ll4_status ll4_sample(ll4_stream *, const ll4_sample_args *, ll4_error *);
LL4_EXPORT ll4_status ll4_layer_norm(ll4_stream *, const ll4_layer_norm_args *, ll4_error *);
LL4_EXPORT ll4_status ll4_unfold(ll4_stream *, const ll4_unfold_args *, ll4_error *);
LL4_EXPORT ll4_status ll4_pixel_shuffle(ll4_stream *, const ll4_pixel_shuffle_args *, ll4_error *);
LL4_EXPORT ll4_status ll4_quantize(ll4_stream *, const ll4_quantize_args *, ll4_error *);

/* ---- graphs ----------------------------------------------------------------------------- */

/* A graph is work put on a stream once, to be run many times with one call, where ll4_device_info
 * says `graphs`; elsewhere LL4_UNSUPPORTED. From begin to end, operations and copies on the stream
 * are recorded and not run; reads, writes, events, graphs and ll4_stream_synchronize fail, and a
 * call that failed must still be followed by end; begin, end and what lies between come from one
 * thread. What a graph does is fixed but for the contents of the buffers, which must outlive it. So
 * must the stream that it was recorded from: there operations keep intermediate results, so that no
 * other work may run on it beside the graph, and a wait for it says what values were wrong. */
LL4_EXPORT ll4_status ll4_graph_begin(ll4_stream *stream, ll4_error *error);
/* Ends the recording, also of one that cannot become a graph: then this fails. */
LL4_EXPORT ll4_status ll4_graph_end(ll4_stream *stream, ll4_graph **graph, ll4_error *error);
/* Puts the recorded work on `stream`, any one of the graph's device. */
LL4_EXPORT ll4_status ll4_graph_launch(ll4_graph *graph, ll4_stream *stream, ll4_error *error);
/* Launches of it must have finished. */
LL4_EXPORT void ll4_graph_destroy(ll4_graph *graph);

/* ---- for programs that load the library at run time ------------------------------------- */

/* Every function above, so that one dlsym of ll4_get_api finds them all. */
typedef struct ll4_api {
  uint32_t size;
  uint32_t abi_version;
  const char *version; /* the project's version, "0.1.0" */
  ll4_status (*device_open)(const char *, const ll4_device_options *, ll4_device **, ll4_error *);
  ll4_status (*device_get_info)(ll4_device *, ll4_device_info *, ll4_error *);
  ll4_status (*device_close)(ll4_device *, ll4_error *);
  ll4_status (*buffer_create)(ll4_device *, int64_t, ll4_buffer **, ll4_error *);
  ll4_status (*buffer_wrap)(ll4_device *, void *, int64_t, ll4_buffer **, ll4_error *);
  void (*buffer_destroy)(ll4_buffer *);
  void *(*buffer_address)(const ll4_buffer *);
  int64_t (*buffer_bytes)(const ll4_buffer *);
  ll4_status (*stream_create)(ll4_device *, ll4_stream **, ll4_error *);
  ll4_status (*stream_wrap)(ll4_device *, void *, ll4_stream **, ll4_error *);
  void *(*stream_native)(const ll4_stream *);
  ll4_status (*stream_synchronize)(ll4_stream *, ll4_error *);
  void (*stream_destroy)(ll4_stream *);
  ll4_status (*event_create)(ll4_device *, ll4_event **, ll4_error *);
  ll4_status (*event_record)(ll4_event *, ll4_stream *, ll4_error *);
  ll4_status (*event_wait)(ll4_event *, ll4_stream *, ll4_error *);
  ll4_status (*event_synchronize)(ll4_event *, ll4_error *);
  ll4_status (*event_elapsed)(ll4_event *, ll4_event *, double *, ll4_error *);
  void (*event_destroy)(ll4_event *);
  ll4_status (*write)(ll4_stream *, ll4_buffer *, int64_t, const void *, int64_t, ll4_error *);
  ll4_status (*read)(ll4_stream *, const ll4_buffer *, int64_t, void *, int64_t, ll4_error *);
  ll4_status (*copy)(ll4_stream *, ll4_buffer *, int64_t, const ll4_buffer *, int64_t, int64_t,
                     ll4_error *);
  ll4_status (*embed)(ll4_stream *, const ll4_embed_args *, ll4_error *);
  ll4_status (*rms_norm)(ll4_stream *, const ll4_rms_norm_args *, ll4_error *);
  ll4_status (*qkv_epilogue)(ll4_stream *, const ll4_qkv_epilogue_args *, ll4_error *);
  ll4_status (*attention)(ll4_stream *, const ll4_attention_args *, ll4_error *);
  ll4_status (*matmul)(ll4_stream *, const ll4_matmul_args *, ll4_error *);
  ll4_status (*router)(ll4_stream *, const ll4_router_args *, ll4_error *);
  ll4_status (*grouped_matmul)(ll4_stream *, const ll4_grouped_matmul_args *, ll4_error *);
  ll4_status (*swiglu)(ll4_stream *, const ll4_swiglu_args *, ll4_error *);
  ll4_status (*logits)(ll4_stream *, const ll4_logits_args *, ll4_error *);
  ll4_status (*log_softmax)(ll4_stream *, const ll4_log_softmax_args *, ll4_error *);
  ll4_status (*top_k)(ll4_stream *, const ll4_top_k_args *, ll4_error *);
  ll4_status (*sample)(ll4_stream *, const ll4_sample_args *, ll4_error *);
  ll4_status (*graph_begin)(ll4_stream *, ll4_error *);
  ll4_status (*graph_end)(ll4_stream *, ll4_graph **, ll4_error *);
  ll4_status (*graph_launch)(ll4_graph *, ll4_stream *, ll4_error *);
  void (*graph_destroy)(ll4_graph *);
  ll4_status (*layer_norm)(ll4_stream *, const ll4_layer_norm_args *, ll4_error *);
  ll4_status (*unfold)(ll4_stream *, const ll4_unfold_args *, ll4_error *);
  ll4_status (*pixel_shuffle)(ll4_stream *, const ll4_pixel_shuffle_args *, ll4_error *);
  ll4_status (*quantize)(ll4_stream *, const ll4_quantize_args *, ll4_error *);
} ll4_api;

/* The table for `abi_version` (LL4_ABI_VERSION of the header the caller was built with), or NULL
 * when this library does not serve that version. Never fails otherwise; needs no set-up. */
LL4_EXPORT const ll4_api *ll4_get_api(uint32_t abi_version);
/* The version this library was built as. */
LL4_EXPORT uint32_t ll4_abi_version(void);

#ifdef __cplusplus
}
#endif

#endif /* LLAMA4_H */
