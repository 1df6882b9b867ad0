// RUN: noema opt %s --kernels x86-64-v4 | FileCheck %s

// A block of the image is copied into scratch, zeros where it leaves the image; then it is a GEMM whose
// rows are pixels. 20 filters are one panel of 32, the last of its vectors masked when stored.
// CHECK: func.func private @{{conv_[0-9a-f]+}}(tensor<1x5x4x3xf32>, tensor<1x27x32xf32>) -> tensor<1x3x2x20xf32>
// CHECK: %[[COPY:.*]] = "memref.alloca"() {{.*}} -> memref<105xf32>
// CHECK: %[[W:.*]] = stream.binding.subspan {{.*}} -> memref<1x27x32xf32>
// CHECK: vector.maskedload {{.*}} memref<60xf32>
// CHECK: vector.maskedstore %[[COPY]]
// CHECK: %[[W0:.*]] = vector.load %[[W]]
// CHECK-NEXT: %[[W1:.*]] = vector.load %[[W]]
// CHECK-NEXT: %[[A:.*]] = memref.load %[[COPY]]
// CHECK-NEXT: %[[A0:.*]] = vector.broadcast %[[A]] : f32 to vector<16xf32>
// CHECK-NEXT: vector.fma %[[A0]], %[[W0]]
// CHECK-NEXT: vector.fma %[[A0]], %[[W1]]
// CHECK: vector.maskedstore {{.*}} memref<1x3x2x20xf32>
func.func @main(%x: tensor<1x5x4x3xf32>) -> tensor<1x3x2x20xf32> {
  %w = "sem.constant"() {value = dense<1.0> : tensor<20x3x3x3xf32>} : () -> tensor<20x3x3x3xf32>
  %0 = "sem.conv"(%x, %w) {channels_last, dilations = array<i64: 1, 1>, groups = 1 : i64, operandSegmentSizes = array<i32: 1, 1, 0>, pads = array<i64: 1, 1, 1, 1>, strides = array<i64: 2, 2>} : (tensor<1x5x4x3xf32>, tensor<20x3x3x3xf32>) -> tensor<1x3x2x20xf32>
  return %0 : tensor<1x3x2x20xf32>
}
