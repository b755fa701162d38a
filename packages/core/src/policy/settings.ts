/** Settings: values that differ per company. A host types them by declaration merging. */

export interface Settings {}
