// Argument checks of every operation: what llama4.h promises about shapes, dtypes and bounds.
// Each throws ll4::Error(LL4_INVALID_ARGUMENT) whose message starts with the field at fault.
#pragma once

#include "backend.h"

namespace ll4 {

void check(ll4_device &device, const ll4_embed_args &args);
void check(ll4_device &device, const ll4_rms_norm_args &args);
void check(ll4_device &device, const ll4_qkv_epilogue_args &args);
void check(ll4_device &device, const ll4_attention_args &args);
void check(ll4_device &device, const ll4_matmul_args &args);
void check(ll4_device &device, const ll4_router_args &args);
void check(ll4_device &device, const ll4_grouped_matmul_args &args);
void check(ll4_device &device, const ll4_swiglu_args &args);
void check(ll4_device &device, const ll4_logits_args &args);
void check(ll4_device &device, const ll4_log_softmax_args &args);
void check(ll4_device &device, const ll4_top_k_args &args);
void check(ll4_device &device, const ll4_sample_args &args);
void check(ll4_device &device, const ll4_layer_norm_args &args);
void check(ll4_device &device, const ll4_unfold_args &args);
void check(ll4_device &device, const ll4_pixel_shuffle_args &args);
void check(ll4_device &device, const ll4_quantize_args &args);

}  // namespace ll4
