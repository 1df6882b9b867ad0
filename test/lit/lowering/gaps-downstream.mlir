// RUN: not noema opt %s --lower 2>&1 | FileCheck %s

// What uses the result of a gap is no gap of its own.
// CHECK: the model uses operators that noema cannot compile yet
// CHECK-NEXT: RandomUniformLike
// CHECK-NOT: activation
func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = "sem.onnx"(%x) {
    op_type = "RandomUniformLike", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>,
    resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
  } : (tensor<4xf32>) -> tensor<4xf32> loc("noise")
  %1 = "sem.activation"(%0) {alpha = 0.0 : f32, beta = 0.0 : f32, kind = "relu"} : (tensor<4xf32>) -> tensor<4xf32> loc("relu")
  return %1 : tensor<4xf32>
}
