// RUN: noema opt %s --lower --split-input-file | FileCheck %s

// Padding is apart, and the accumulator starts from the bias.
// CHECK-LABEL: func.func @main(
// CHECK: tensor.pad %arg0 low[0, 0, 1, 1] high[0, 0, 1, 1]
// CHECK: : tensor<1x3x9x9xf32> to tensor<1x3x11x11xf32>
// CHECK: linalg.generic
// CHECK-SAME: ins(%arg2 : tensor<4xf32>)
// CHECK: linalg.conv_2d_nchw_fchw {dilations = dense<1> : tensor<2xi64>, strides = dense<2> : tensor<2xi64>}
// CHECK-SAME: tensor<1x3x11x11xf32>, tensor<4x3x3x3xf32>
func.func @main(%x: tensor<1x3x9x9xf32>, %y: tensor<4x3x3x3xf32>, %z: tensor<4xf32>) -> tensor<1x4x5x5xf32> {
  %0 = "sem.conv"(%x, %y, %z) {
    strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, groups = 1 : i64, operandSegmentSizes = array<i32: 1, 1, 1>
  } : (tensor<1x3x9x9xf32>, tensor<4x3x3x3xf32>, tensor<4xf32>) -> tensor<1x4x5x5xf32>
  return %0 : tensor<1x4x5x5xf32>
}

// -----

// Depthwise, with extents that are known when the program runs.
// CHECK-LABEL: func.func @main(
// CHECK: tensor.pad
// CHECK: arith.floordivsi
// CHECK: linalg.fill
// CHECK: tensor.collapse_shape %arg1
// CHECK: linalg.depthwise_conv_2d_nchw_chw
// CHECK-SAME: -> tensor<?x4x?x5xf32>
func.func @main(%x: tensor<?x4x?x9xf32>, %y: tensor<4x1x3x3xf32>) -> tensor<?x4x?x5xf32> {
  %0 = "sem.conv"(%x, %y) {
    strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, groups = 4 : i64, operandSegmentSizes = array<i32: 1, 1, 0>
  } : (tensor<?x4x?x9xf32>, tensor<4x1x3x3xf32>) -> tensor<?x4x?x5xf32>
  return %0 : tensor<?x4x?x5xf32>
}

// -----

// Any other grouping is a contraction with a dimension for the group.
// CHECK: #[[X:.*]] = affine_map<(d0, d1, d2, d3, d4, d5) -> (d0, d1, d4, d3 + d5)>
// CHECK: #[[W:.*]] = affine_map<(d0, d1, d2, d3, d4, d5) -> (d1, d2, d4, d5)>
// CHECK-LABEL: func.func @main(
// CHECK: tensor.expand_shape %arg0
// CHECK-SAME: into tensor<?x2x2x12xf32>
// CHECK: linalg.generic {indexing_maps = [#[[X]], #[[W]], 
// CHECK-SAME: iterator_types = ["parallel", "parallel", "parallel", "parallel", "reduction", "reduction"]
// CHECK: tensor.collapse_shape
// CHECK-SAME: into tensor<?x6x10xf32>
func.func @main(%x: tensor<?x4x12xf32>, %y: tensor<6x2x3xf32>) -> tensor<?x6x10xf32> {
  %0 = "sem.conv"(%x, %y) {
    strides = array<i64: 1>, dilations = array<i64: 1>, pads = array<i64: 0, 0>, groups = 2 : i64, operandSegmentSizes = array<i32: 1, 1, 0>
  } : (tensor<?x4x12xf32>, tensor<6x2x3xf32>) -> tensor<?x6x10xf32>
  return %0 : tensor<?x6x10xf32>
}

// -----

// Operands of bf16, padded as such, add up in f32, which it gives.
// CHECK-LABEL: func.func @main(
// CHECK: tensor.yield %{{.*}} : bf16
// CHECK: linalg.conv_1d_ncw_fcw
// CHECK-SAME: ins(%{{.*}}, %arg1 : tensor<1x4x10xbf16>, tensor<4x4x3xbf16>) outs(%{{.*}} : tensor<1x4x8xf32>)
func.func @main(%x: tensor<1x4x8xbf16>, %w: tensor<4x4x3xbf16>) -> tensor<1x4x8xf32> {
  %0 = "sem.conv"(%x, %w) {
    strides = array<i64: 1>, dilations = array<i64: 1>, pads = array<i64: 1, 1>, groups = 1 : i64, operandSegmentSizes = array<i32: 1, 1, 0>
  } : (tensor<1x4x8xbf16>, tensor<4x4x3xbf16>) -> tensor<1x4x8xf32>
  return %0 : tensor<1x4x8xf32>
}
