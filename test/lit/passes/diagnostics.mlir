// Errors in the input, part by part.

// RUN: noema opt %s --split-input-file --verify-diagnostics
// RUN: not noema opt %s --split-input-file 2>&1 | FileCheck %s
// RUN: cat %s | not noema opt - --split-input-file 2>&1 | FileCheck %s --check-prefix=STDIN
// RUN: sed 's/none of/nothing like/' %s > %t.mlir
// RUN: not noema opt %t.mlir --split-input-file --verify-diagnostics 2>&1 | FileCheck %s --check-prefix=DIFFERENT

// CHECK: cannot read the IR:
// CHECK-NEXT: diagnostics.mlir:[[#]]:8: 'sem.activation' op kind 'nope' is none of celu
// CHECK: diagnostics.mlir:[[#]]:10: use of undeclared SSA value name
// STDIN: <stdin>:[[#]]:8: 'sem.activation'
// DIFFERENT: diagnostics differ from the expected ones:
// DIFFERENT-NEXT: expected error was not produced: kind 'nope' is nothing like
// DIFFERENT-NEXT: unexpected error: {{.*}}is none of
func.func @f(%x: tensor<4xf32>) -> tensor<4xf32> {
  // expected-error@below {{kind 'nope' is none of}}
  %0 = "sem.activation"(%x) {kind = "nope", alpha = 0.0 : f32, beta = 0.0 : f32} : (tensor<4xf32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}

// -----

func.func @fine(%x: tensor<4xf32>) -> tensor<4xf32> {
  return %x : tensor<4xf32>
}

// -----

func.func @f(%x: tensor<4xf32>) -> tensor<4xf32> {
  return %y : tensor<4xf32> // expected-error {{undeclared SSA value}}
}
