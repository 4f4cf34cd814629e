/**
 * The codecs that Vitessce carries (zstd, blosc, lz4) are WebAssembly behind emscripten's glue, which writes the source
 * of a function for each export and compiles it: that needs 'unsafe-eval' in a page's CSP. This makes the same function
 * without, so that 'wasm-unsafe-eval' is enough.
 */

/** @typedef {{toWireType: (undo: unknown[] | null, value: unknown) => unknown, fromWireType: (value: unknown) => unknown}} WireType */

/**
 * @param {string[]} parts the names of the glue's parameters, then the source that it would have compiled
 * @returns {(...values: any[]) => (...args: unknown[]) => unknown} takes the values of those parameters
 */
export function invoker(parts) {
  const names = parts.slice(0, -1);
  const source = parts[parts.length - 1];
  const stacked = source.includes('var destructors');
  const returns = source.includes('return ret;');
  return (...values) => {
    const glue = Object.fromEntries(names.map((name, i) => [name, values[i]]));
    /** @type {WireType[]} */
    const types = names.filter((name) => /^argType\d+$/.test(name)).map((name) => glue[name]);
    return (...args) => {
      if (args.length !== types.length) {
        glue.throwBindingError(`called with ${args.length} arguments, expected ${types.length}`);
      }
      /** @type {unknown[] | null} */
      const undo = stacked ? [] : null;
      const wired = types.map((type, i) => type.toWireType(undo, args[i]));
      const result = glue.invoker(glue.fn, ...wired);
      if (undo) glue.runDestructors(undo);
      else wired.forEach((value, i) => glue[`arg${i}Wired_dtor`]?.(value));
      return returns ? glue.retType.fromWireType(result) : undefined;
    };
  };
}
