// Pipelines: MLIR's passes beside ours, nesting, dumps, and what is refused.

// RUN: noema opt %s --passes='raise, func.func(canonicalize{max-iterations=3},cse) ,dce{}' | FileCheck %s
// RUN: cat %s | noema opt - --passes=raise | noema opt - | FileCheck %s
// RUN: noema opt %s | FileCheck %s --check-prefix=PARSED
// RUN: noema opt %s --generic | FileCheck %s --check-prefix=GENERIC
// RUN: rm -rf %t && noema opt %s --passes='raise,func.func(cse)' --dump-ir %t -o %t.mlir
// RUN: noema opt %t/00-import.mlir | FileCheck %s --check-prefix=PARSED
// RUN: FileCheck %s --check-prefix=DUMP --input-file %t/01-raise.mlir
// RUN: noema opt %t/02-func.func-cse.mlir | FileCheck %s

// CHECK: sem.activation
// CHECK-NOT: sem.onnx
// PARSED: op_type = "Relu"
// GENERIC: "func.func"() <{
// DUMP: sem.activation
// DUMP: loc("/act/Relu")
func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = "sem.onnx"(%x) {
    op_type = "Relu", domain = "", version = 21 : i64, attrs = {},
    operandSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>,
    resultSegmentSizes = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
  } : (tensor<4xf32>) -> tensor<4xf32> loc("/act/Relu")
  return %0 : tensor<4xf32>
}

// RUN: not noema opt %s --passes=rise 2>&1 | FileCheck %s --check-prefix=UNKNOWN
// UNKNOWN: there is no pass 'rise'
// UNKNOWN-NEXT: did you mean 'raise'? known: {{.*}}dce{{.*}}raise

// RUN: not noema opt %s --passes='func.func(cs)' 2>&1 | FileCheck %s --check-prefix=UNKNOWN-NESTED
// UNKNOWN-NESTED: there is no pass 'cs'
// UNKNOWN-NESTED-NEXT: did you mean 'cse'?

// RUN: not noema opt %s --passes='fold-constants{max-byte=1}' 2>&1 | FileCheck %s --check-prefix=OPTION
// OPTION: pass fold-constants has no option 'max-byte'
// OPTION-NEXT: did you mean 'max-bytes'?

// RUN: not noema opt %s --passes='fold-constants{max-bytes=1k}' 2>&1 | FileCheck %s --check-prefix=VALUE
// VALUE: pass fold-constants: max-bytes takes int, not '1k'

// RUN: not noema opt %s --passes='canonicalize{no-such=1}' 2>&1 | FileCheck %s --check-prefix=MLIR-OPTION
// MLIR-OPTION: MLIR refuses canonicalize{no-such=1}: {{.*}}no such option no-such

// RUN: not noema opt %s --passes='raise,func.func(cse' 2>&1 | FileCheck %s --check-prefix=SYNTAX
// SYNTAX: pass pipeline: expected ',' or ')', found the end
// SYNTAX-NEXT: {{ *}}raise,func.func(cse
// SYNTAX-NEXT: ^

// RUN: not noema opt %s --passes='func.func(raise)' 2>&1 | FileCheck %s --check-prefix=NESTED
// NESTED: pass raise works on whole modules and can't be nested in func.func(…)

// A pass of MLIR that works on functions says so.
// RUN: not noema opt %s --passes='convert-torch-onnx-to-torch' 2>&1 | FileCheck %s --check-prefix=ANCHOR
// ANCHOR: remedy: write func.func(convert-torch-onnx-to-torch)

// A pass that fails is named, with the place.
// RUN: not noema opt %s --passes='func.func(symbol-dce)' 2>&1 | FileCheck %s --check-prefix=FAILED
// FAILED: error: pass func.func(symbol-dce) failed:
// FAILED-NEXT: pipeline.mlir:{{[0-9]+}}:1: {{.*}}does not define a symbol table

// So is one that breaks the provenance of ops.
// RUN: not noema opt %s --passes=raise,strip-debuginfo,cse 2>&1 | FileCheck %s --check-prefix=LOST
// RUN: noema opt %s --passes=raise,strip-debuginfo,cse --no-verify | FileCheck %s
// LOST: error: pass strip-debuginfo made ops without an ONNX node: sem.activation

// RUN: noema opt --list | FileCheck %s --check-prefix=LIST
// LIST: fold-constants {{ *}}Replaces ops
// LIST-NEXT: max-bytes=<int>  Largest result {{.*}} (default 65536)
// LIST: Of MLIR
// LIST: Default pipeline: raise,

// RUN: noema opt --list --json | FileCheck %s --check-prefix=JSON
// JSON: "name": "fold-constants"
// JSON: "default": "65536"

// RUN: not noema opt %t.missing 2>&1 | FileCheck %s --check-prefix=MISSING
// MISSING: Could not open file
