// RUN: noema opt %s --kernels x86-64-v4 | FileCheck %s

// 3 x 3 of stride 1 on a large image: 36 products of transformed tiles instead of 144. Weights are
// transformed when they are packed; those of the image are transformed into scratch, on vectors of
// channels.
// CHECK: func.func private @{{winograd_[0-9a-f]+}}(tensor<1x56x56x64xf32>, tensor<2x36x64x32xf32>) -> tensor<1x56x56x64xf32>
// CHECK: "memref.alloca"() {{.*}} -> memref<36x28x64xf32>
// CHECK: "memref.alloca"() {{.*}} -> memref<36x28x32xf32>
func.func @main(%x: tensor<1x56x56x64xf32>) -> tensor<1x56x56x64xf32> {
  %w = "sem.constant"() {value = dense<1.0> : tensor<64x64x3x3xf32>} : () -> tensor<64x64x3x3xf32>
  %0 = "sem.conv"(%x, %w) {channels_last, dilations = array<i64: 1, 1>, groups = 1 : i64, operandSegmentSizes = array<i32: 1, 1, 0>, pads = array<i64: 1, 1, 1, 1>, strides = array<i64: 1, 1>} : (tensor<1x56x56x64xf32>, tensor<64x64x3x3xf32>) -> tensor<1x56x56x64xf32>
  return %0 : tensor<1x56x56x64xf32>
}
