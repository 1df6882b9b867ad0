// RUN: noema opt %s --kernels x86-64-v4 | FileCheck %s

// Vectors lie along the channels: 4 pixels of a row are summed at once, each input loaded once and
// multiplied by all taps that meet it; at the borders, by those inside the image. 20 channels are a
// vector and a masked one.
// CHECK: func.func private @{{depthwise_[0-9a-f]+}}(tensor<1x5x4x20xf32>, tensor<9x32xf32>) -> tensor<1x5x4x20xf32>
// CHECK: %[[X:.*]] = stream.binding.subspan {{.*}} -> memref<1x5x4x20xf32>
// CHECK: %[[W:.*]] = stream.binding.subspan {{.*}} -> memref<9x32xf32>
// CHECK: scf.for {{.*}} iter_args(
// CHECK-COUNT-3: vector.load %[[W]]
// CHECK: %[[A:.*]] = vector.load %[[X]]
// CHECK-NEXT: vector.fma %[[A]]
// CHECK-NEXT: vector.fma %[[A]]
// CHECK-NEXT: %[[B:.*]] = vector.load %[[X]]
// CHECK-NEXT: vector.fma %[[B]]
// CHECK-NEXT: vector.fma %[[B]]
// CHECK-NEXT: vector.fma %[[B]]
// CHECK: scf.yield
// CHECK: scf.if
// CHECK: %[[MASK:.*]] = vector.create_mask
// CHECK: vector.maskedload %[[X]]{{.*}}, %[[MASK]]
// CHECK: vector.maskedstore {{.*}}, %[[MASK]]
func.func @main(%x: tensor<1x5x4x20xf32>) -> tensor<1x5x4x20xf32> {
  %w = "sem.constant"() {value = dense<1.0> : tensor<20x1x3x3xf32>} : () -> tensor<20x1x3x3xf32>
  %0 = "sem.conv"(%x, %w) {channels_last, dilations = array<i64: 1, 1>, groups = 20 : i64, operandSegmentSizes = array<i32: 1, 1, 0>, pads = array<i64: 1, 1, 1, 1>, strides = array<i64: 1, 1>} : (tensor<1x5x4x20xf32>, tensor<20x1x3x3xf32>) -> tensor<1x5x4x20xf32>
  return %0 : tensor<1x5x4x20xf32>
}
