// RUN: noema opt %s --lower --split-input-file | FileCheck %s

// Broadcasting is in the maps.
// CHECK: #[[A:.*]] = affine_map<(d0, d1, d2) -> (d0, d1, 0)>
// CHECK: #[[B:.*]] = affine_map<(d0, d1, d2) -> (d1, d2)>
// CHECK-LABEL: func.func @main(
// CHECK: linalg.generic {indexing_maps = [#[[A]], #[[B]], 
// CHECK: arith.addf
func.func @main(%x: tensor<?x4x1xf32>, %y: tensor<4x6xf32>) -> tensor<?x4x6xf32> {
  %0 = "sem.elementwise"(%x, %y) {
    kind = "add", operandSegmentSizes = array<i32: 1, 1, 0>
  } : (tensor<?x4x1xf32>, tensor<4x6xf32>) -> tensor<?x4x6xf32>
  return %0 : tensor<?x4x6xf32>
}

// -----

// Unknown extents must agree.
// CHECK-LABEL: func.func @main(
// CHECK: cf.assert
// CHECK: arith.cmpi slt
// CHECK: -> tensor<?xi1>
func.func @main(%x: tensor<?xi32>, %y: tensor<?xi32>) -> tensor<?xi1> {
  %0 = "sem.elementwise"(%x, %y) {
    kind = "less", operandSegmentSizes = array<i32: 1, 1, 0>
  } : (tensor<?xi32>, tensor<?xi32>) -> tensor<?xi1>
  return %0 : tensor<?xi1>
}

// -----

// Signs are in the operations, not in the types. A divisor of zero must not trap.
// CHECK-LABEL: func.func @main(
// CHECK-SAME: tensor<4xi8>
// CHECK: arith.cmpi eq
// CHECK: arith.select
// CHECK: arith.divui
func.func @main(%x: tensor<4xui8>, %y: tensor<4xui8>) -> tensor<4xui8> {
  %0 = "sem.elementwise"(%x, %y) {
    kind = "div", operandSegmentSizes = array<i32: 1, 1, 0>
  } : (tensor<4xui8>, tensor<4xui8>) -> tensor<4xui8>
  return %0 : tensor<4xui8>
}

// -----

// CHECK-LABEL: func.func @main(
// CHECK: arith.uitofp %{{.*}} : i8 to f32
func.func @main(%x: tensor<4xui8>) -> tensor<4xf32> {
  %0 = "sem.elementwise"(%x) {
    kind = "cast", operandSegmentSizes = array<i32: 1, 0, 0>
  } : (tensor<4xui8>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}

// -----

// CHECK-LABEL: func.func @main(
// CHECK: arith.select %{{.*}} : i64
func.func @main(%x: tensor<?x1xi1>, %y: tensor<?x3xi64>, %z: tensor<3xi64>) -> tensor<?x3xi64> {
  %0 = "sem.elementwise"(%x, %y, %z) {
    kind = "where", operandSegmentSizes = array<i32: 1, 1, 1>
  } : (tensor<?x1xi1>, tensor<?x3xi64>, tensor<3xi64>) -> tensor<?x3xi64>
  return %0 : tensor<?x3xi64>
}
