// RUN: noema opt %s --split-input-file --verify-diagnostics
// RUN: not noema opt %s --split-input-file 2>/dev/null | FileCheck %s

// CHECK-LABEL: func.func @forms(
// CHECK-NEXT: "sem.activation"(%{{.*}}) {alpha = 0.00999999977 : f32, beta = 0.000000e+00 : f32, kind = "leaky_relu"} : (tensor<?x4xf32>) -> tensor<?x4xf32>
func.func @forms(%x: tensor<?x4xf32>) {
  %0 = "sem.activation"(%x) {kind = "leaky_relu", alpha = 0.01 : f32, beta = 0.0 : f32} : (tensor<?x4xf32>) -> tensor<?x4xf32>
  return
}

// -----

func.func @kind(%x: tensor<4xf32>) {
  // expected-error@+1 {{kind 'rulu' is none of celu, elu}}
  %0 = "sem.activation"(%x) {kind = "rulu", alpha = 0.0 : f32, beta = 0.0 : f32} : (tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @shape(%x: tensor<4xf32>) {
  // expected-error@+1 {{result shape is (1, 4), expected (4,)}}
  %0 = "sem.activation"(%x) {kind = "relu", alpha = 0.0 : f32, beta = 0.0 : f32} : (tensor<4xf32>) -> tensor<1x4xf32>
  return
}

// -----

func.func @alpha(%x: tensor<4xf32>) {
  // expected-error@+1 {{expected base attribute 'builtin.float' but got 'builtin.string'}}
  %0 = "sem.activation"(%x) {kind = "relu", alpha = "0", beta = 0.0 : f32} : (tensor<4xf32>) -> tensor<4xf32>
  return
}
