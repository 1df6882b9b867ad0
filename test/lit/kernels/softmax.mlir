// RUN: noema opt %s --kernels x86-64-v4 | FileCheck %s

// Three passes over a row: its maximum, the exponentials and their sum, the quotients. Rows of 20 are a
// vector and a masked one; what lies past the row counts for nothing in either reduction.
// CHECK: func.func private @{{softmax_[0-9a-f]+}}(tensor<4x20xf32>) -> tensor<4x20xf32>
// CHECK: %[[X:.*]] = stream.binding.subspan {{.*}} -> memref<4x20xf32>
// CHECK: %[[R:.*]] = stream.binding.subspan {{.*}} -> memref<4x20xf32>
// CHECK: arith.cmpf ogt
// CHECK: vector.maskedload %[[X]]
// CHECK: vector.shuffle
// CHECK: arith.subf
// CHECK: llvm.call_intrinsic "llvm.x86.avx512.mask.scalef.ps.512"
// CHECK: vector.store {{.*}}, %[[R]]
// CHECK: vector.maskedstore %[[R]]
// CHECK: arith.divf
// CHECK: arith.mulf
func.func @main(%x: tensor<4x20xf32>) -> tensor<4x20xf32> {
  %0 = "sem.softmax"(%x) {axis = 1 : i64, log = false} : (tensor<4x20xf32>) -> tensor<4x20xf32>
  return %0 : tensor<4x20xf32>
}
