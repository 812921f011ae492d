/** The namespace of a proxy that goes by the name "<role>/<namespace>/<workload>". */
export const namespaceOfProxy = (name: string): string | undefined => name.split('/')[1]
