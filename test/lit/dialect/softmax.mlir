// RUN: noema opt %s --split-input-file --verify-diagnostics
// RUN: not noema opt %s --split-input-file 2>/dev/null | FileCheck %s

// CHECK-LABEL: func.func @forms(
// CHECK-NEXT: "sem.softmax"(%{{.*}}) {axis = 1 : i64, log = false} : (tensor<?x4xf32>) -> tensor<?x4xf32>
// CHECK-NEXT: "sem.softmax"(%{{.*}}) {axis = 0 : i64, log = true} : (tensor<?x4xf32>) -> tensor<?x4xf32>
func.func @forms(%x: tensor<?x4xf32>) {
  %0 = "sem.softmax"(%x) {axis = 1 : i64, log = false} : (tensor<?x4xf32>) -> tensor<?x4xf32>
  %1 = "sem.softmax"(%x) {axis = 0 : i64, log = true} : (tensor<?x4xf32>) -> tensor<?x4xf32>
  return
}

// -----

func.func @axis(%x: tensor<?x4xf32>) {
  // expected-error@+1 {{axis -1 is outside rank 2}}
  %0 = "sem.softmax"(%x) {axis = -1 : i64, log = false} : (tensor<?x4xf32>) -> tensor<?x4xf32>
  return
}

// -----

func.func @scalar(%x: tensor<f32>) {
  // expected-error@+1 {{axis 0 is outside rank 0}}
  %0 = "sem.softmax"(%x) {axis = 0 : i64, log = false} : (tensor<f32>) -> tensor<f32>
  return
}

// -----

func.func @shape(%x: tensor<?x4xf32>) {
  // expected-error@+1 {{result shape is (None, 5), expected (None, 4)}}
  %0 = "sem.softmax"(%x) {axis = 1 : i64, log = false} : (tensor<?x4xf32>) -> tensor<?x5xf32>
  return
}
