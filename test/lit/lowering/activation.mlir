// RUN: noema opt %s --lower --split-input-file | FileCheck %s

// CHECK-LABEL: func.func @main(
// CHECK: linalg.generic
// CHECK-SAME: iterator_types = ["parallel", "parallel"]
// CHECK: arith.maximumf
func.func @main(%x: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %0 = "sem.activation"(%x) {
    kind = "relu", alpha = 0.0 : f32, beta = 0.0 : f32
  } : (tensor<?x4xf32>) -> tensor<?x4xf32>
  return %0 : tensor<?x4xf32>
}

// -----

// CHECK-LABEL: func.func @main(
// CHECK: arith.constant 0.707106
// CHECK: math.erf
func.func @main(%x: tensor<3x4xf32>) -> tensor<3x4xf32> {
  %0 = "sem.activation"(%x) {
    kind = "gelu_erf", alpha = 0.0 : f32, beta = 0.0 : f32
  } : (tensor<3x4xf32>) -> tensor<3x4xf32>
  return %0 : tensor<3x4xf32>
}

// -----

// f16 is computed in f32.
// CHECK-LABEL: func.func @main(
// CHECK: arith.extf %{{.*}} : f16 to f32
// CHECK: math.tanh %{{.*}} : f32
// CHECK: arith.truncf
func.func @main(%x: tensor<3x4xf16>) -> tensor<3x4xf16> {
  %0 = "sem.activation"(%x) {
    kind = "tanh", alpha = 0.0 : f32, beta = 0.0 : f32
  } : (tensor<3x4xf16>) -> tensor<3x4xf16>
  return %0 : tensor<3x4xf16>
}

// -----

// CHECK-LABEL: func.func @main(
// CHECK: arith.constant 2.000000e-01
// CHECK: arith.mulf
// CHECK: arith.addf
func.func @main(%x: tensor<?xf32>) -> tensor<?xf32> {
  %0 = "sem.activation"(%x) {
    kind = "hard_sigmoid", alpha = 0.2 : f32, beta = 0.5 : f32
  } : (tensor<?xf32>) -> tensor<?xf32>
  return %0 : tensor<?xf32>
}
