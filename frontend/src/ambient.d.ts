declare module 'vitessce' {
  export const Vitessce: import('react').ComponentType<any>;
  export class PluginAsyncFunction {
    constructor(functionType: string, asyncFunction: (...args: any[]) => Promise<unknown>);
  }
}
