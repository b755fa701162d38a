/** Settings: values that differ per company. A host types them by declaration merging. */

// eslint-disable-next-line @typescript-eslint/no-empty-object-type -- a host adds its fields by declaration merging
export interface Settings {}
