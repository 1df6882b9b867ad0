// RUN: noema opt %s --lower | FileCheck %s

// Where no kernel serves a fused op, its ops are lowered one by one.
// CHECK-LABEL: func.func @main(
// CHECK: %[[P:.*]] = linalg.generic {{.*}} iterator_types = ["parallel", "parallel", "reduction"]{{.*}} ins(%arg0, %arg1 :
// CHECK: linalg.generic {{.*}} ins(%{{.*}} : tensor<8x32xf32>{{.*}}
// CHECK: arith.maximumf
func.func @main(%x: tensor<8x16xf32>, %w: tensor<16x32xf32>) -> tensor<8x32xf32> {
  %0 = "sem.fused"() ({
    %1 = "sem.matmul"(%x, %w) {transpose_lhs = false, transpose_rhs = false} : (tensor<8x16xf32>, tensor<16x32xf32>) -> tensor<8x32xf32>
    %2 = "sem.activation"(%1) {alpha = 0.0 : f32, beta = 0.0 : f32, kind = "relu"} : (tensor<8x32xf32>) -> tensor<8x32xf32>
    "sem.yield"(%2) : (tensor<8x32xf32>) -> ()
  }) {kind = "matmul"} : () -> tensor<8x32xf32>
  return %0 : tensor<8x32xf32>
}
