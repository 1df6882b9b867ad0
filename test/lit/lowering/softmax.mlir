// RUN: noema opt %s --lower --split-input-file | FileCheck %s

// CHECK-LABEL: func.func @main(
// CHECK-NOT: linalg.generic
// CHECK: linalg.softmax dimension(2) ins(%arg0 : tensor<?x7x16xf32>)
func.func @main(%x: tensor<?x7x16xf32>) -> tensor<?x7x16xf32> {
  %0 = "sem.softmax"(%x) {axis = 2 : i64, log = false} : (tensor<?x7x16xf32>) -> tensor<?x7x16xf32>
  return %0 : tensor<?x7x16xf32>
}

// -----

// x - max - log(sum(exp(x - max))), which no quotient can underflow.
// CHECK-LABEL: func.func @main(
// CHECK: iterator_types = ["reduction", "parallel"]
// CHECK: arith.maximumf
// CHECK: arith.subf
// CHECK: iterator_types = ["reduction", "parallel"]
// CHECK: math.exp
// CHECK: arith.addf
// CHECK: math.log
// CHECK: arith.subf
func.func @main(%x: tensor<2x5xf32>) -> tensor<2x5xf32> {
  %0 = "sem.softmax"(%x) {axis = 0 : i64, log = true} : (tensor<2x5xf32>) -> tensor<2x5xf32>
  return %0 : tensor<2x5xf32>
}
