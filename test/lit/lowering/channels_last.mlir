// RUN: noema opt %s --lower --split-input-file | FileCheck %s

// A convolution channels last: padding is apart, and the accumulator starts from the bias.
// CHECK-LABEL: func.func @main(
// CHECK: tensor.pad %arg0 low[0, 1, 1, 0] high[0, 1, 1, 0]
// CHECK: linalg.generic
// CHECK-SAME: ins(%arg1 : tensor<4x3x3x3xf32>)
// CHECK: linalg.generic
// CHECK-SAME: ins(%arg2 : tensor<4xf32>)
// CHECK: linalg.conv_2d_nhwc_hwcf
// CHECK-SAME: -> tensor<?x4x4x4xf32>
func.func @main(%x: tensor<?x8x8x3xf32>, %w: tensor<4x3x3x3xf32>, %b: tensor<4xf32>) -> tensor<?x4x4x4xf32> {
  %0 = "sem.conv"(%x, %w, %b) {
    channels_last, strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, groups = 1 : i64, operandSegmentSizes = array<i32: 1, 1, 1>
  } : (tensor<?x8x8x3xf32>, tensor<4x3x3x3xf32>, tensor<4xf32>) -> tensor<?x4x4x4xf32>
  return %0 : tensor<?x4x4x4xf32>
}

// -----

// A filter per channel.
// CHECK-LABEL: func.func @main(
// CHECK: linalg.depthwise_conv_2d_nhwc_hwc
func.func @main(%x: tensor<1x8x8x3xf32>, %w: tensor<3x1x3x3xf32>) -> tensor<1x6x6x3xf32> {
  %0 = "sem.conv"(%x, %w) {
    channels_last, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, groups = 3 : i64, operandSegmentSizes = array<i32: 1, 1, 0>
  } : (tensor<1x8x8x3xf32>, tensor<3x1x3x3xf32>) -> tensor<1x6x6x3xf32>
  return %0 : tensor<1x6x6x3xf32>
}

// -----

// The padding of a maximum never wins.
// CHECK-LABEL: func.func @main(
// CHECK-DAG: %[[LOW:.*]] = arith.constant 0xFF800000 : f32
// CHECK: tensor.pad %arg0 low[0, 1, 1, 0] high[0, 0, 0, 0]
// CHECK: tensor.yield %[[LOW]]
// CHECK: linalg.generic
// CHECK-SAME: iterator_types = ["parallel", "parallel", "parallel", "parallel", "reduction", "reduction"]
// CHECK: arith.maximumf
func.func @main(%x: tensor<1x8x8x3xf32>) -> tensor<1x4x4x3xf32> {
  %0 = "sem.pool"(%x) {
    kind = "max", kernel = array<i64: 3, 3>, strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>, pads = array<i64: 1, 1, 0, 0>, include_pad = false
  } : (tensor<1x8x8x3xf32>) -> tensor<1x4x4x3xf32>
  return %0 : tensor<1x4x4x3xf32>
}

// -----

// An average divides by how many elements lie inside: 2 at the beginning, else 3.
// CHECK-LABEL: func.func @main(
// CHECK: arith.addf
// CHECK: %[[I:.*]] = linalg.index 1
// CHECK: %[[AT:.*]] = arith.muli %[[I]], %c2
// CHECK-NEXT: %[[LEFT:.*]] = arith.subi %c7, %[[AT]]
// CHECK-NEXT: %[[OUT:.*]] = arith.subi %c1, %[[AT]]
// CHECK-NEXT: %[[LOW:.*]] = arith.maxsi %[[OUT]], %c0
// CHECK-NEXT: %[[HIGH:.*]] = arith.minsi %[[LEFT]], %c3
// CHECK-NEXT: arith.subi %[[HIGH]], %[[LOW]]
// CHECK: arith.divf
func.func @main(%x: tensor<1x6x3xf32>) -> tensor<1x3x3xf32> {
  %0 = "sem.pool"(%x) {
    kind = "average", kernel = array<i64: 3>, strides = array<i64: 2>, dilations = array<i64: 1>, pads = array<i64: 1, 0>, include_pad = false
  } : (tensor<1x6x3xf32>) -> tensor<1x3x3xf32>
  return %0 : tensor<1x3x3xf32>
}

// -----

// The average of a whole image of any size.
// CHECK-LABEL: func.func @main(
// CHECK: arith.addf
// CHECK: %[[H:.*]] = tensor.dim %arg0, %c1
// CHECK-NEXT: %[[W:.*]] = tensor.dim %arg0, %c2
// CHECK-NEXT: %[[COUNT:.*]] = arith.muli %[[H]], %[[W]]
// CHECK: arith.divf
func.func @main(%x: tensor<1x?x?x3xf32>) -> tensor<1x1x1x3xf32> {
  %0 = "sem.pool"(%x) {
    kind = "average", kernel = array<i64>, strides = array<i64>, dilations = array<i64>, pads = array<i64>, include_pad = false
  } : (tensor<1x?x?x3xf32>) -> tensor<1x1x1x3xf32>
  return %0 : tensor<1x1x1x3xf32>
}

// -----

// Groups of channels: a contraction channels first. Operands of bf16 add up in f32, which it gives.
// CHECK-LABEL: func.func @main(
// CHECK: linalg.generic
// CHECK: arith.extf %{{.*}} : bf16 to f32
// CHECK: arith.mulf %{{.*}} : f32
// CHECK-NEXT: arith.addf %{{.*}} : f32
// CHECK: return %{{.*}} : tensor<1x?x4xf32>
func.func @main(%x: tensor<1x?x4xbf16>, %w: tensor<4x2x3xbf16>) -> tensor<1x?x4xf32> {
  %0 = "sem.conv"(%x, %w) {
    channels_last, strides = array<i64: 1>, dilations = array<i64: 1>, pads = array<i64: 1, 1>, groups = 2 : i64, operandSegmentSizes = array<i32: 1, 1, 0>
  } : (tensor<1x?x4xbf16>, tensor<4x2x3xbf16>) -> tensor<1x?x4xf32>
  return %0 : tensor<1x?x4xf32>
}
