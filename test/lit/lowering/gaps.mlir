// RUN: not noema opt %s --lower 2>&1 | FileCheck %s

// All that can't be lowered is reported at once, with the node and the reason, and no IR is printed.
// CHECK-NOT: func.func
// CHECK: cannot compile yet
// CHECK-NEXT: Bernoulli (node '/head/Noise'): random numbers
// CHECK-NEXT: com.example.Mix (node '/head/Mix'): an operator outside the default ONNX domain
// CHECK-NOT: Add
func.func @main(%x: tensor<3x3xf32>, %y: tensor<3x3xf32>) -> (tensor<3x3xf32>, tensor<3x3xf32>) {
  %0 = "sem.onnx"(%x) {
    op_type = "Bernoulli", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>,
    resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
  } : (tensor<3x3xf32>) -> tensor<3x3xf32> loc("/head/Noise")
  %1 = "sem.elementwise"(%x, %y) {
    kind = "add", operandSegmentSizes = array<i32: 1, 1, 0>
  } : (tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<3x3xf32> loc("/head/Add")
  %2 = "sem.onnx"(%1) {
    op_type = "Mix", domain = "com.example", version = 1 : i64, attrs = {},
    operandSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>,
    resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
  } : (tensor<3x3xf32>) -> tensor<3x3xf32> loc("/head/Mix")
  return %0, %2 : tensor<3x3xf32>, tensor<3x3xf32>
}
