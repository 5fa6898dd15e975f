// For `import`. The classes are those of `require`: a program that uses both has one SamovarError.
export { Client, ExtData, Keywords, kw, NdArray, SamovarError, Stream } from "./index.js";
export type * from "./index.js";
