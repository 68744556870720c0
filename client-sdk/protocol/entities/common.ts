/**
 * What the methods of all entities share. Timestamps are ISO 8601 with milliseconds. Enum types tolerate values that a
 * newer hub may add.
 */
export type Open<Value extends string> = Value | (string & {});

export interface Page<Item> {
  items: Item[];
  /** Give it back as `cursor` for the next page; null on the last. */
  nextCursor: string | null;
}
export interface ListParams<Filter> {
  organizationId?: string;
  projectId?: string;
  filter?: Filter;
  /** 1–200; 50 where it is missing. */
  limit?: number;
  cursor?: string;
}
export interface UpdateParams<Set> {
  id: string;
  set: Set;
  /** Refused with `conflict` where the row changed since. */
  ifUpdatedAt?: string;
}
export interface DeleteParams {
  id: string;
  ifUpdatedAt?: string;
}

export type Writable<Entity, Required extends keyof Entity, Optional extends keyof Entity> = Pick<Entity, Required> &
  Partial<Pick<Entity, Optional>>;

/** The five methods of an entity. */
export interface Crud<Item, Listed, Filter, Create, Set> {
  list: { params: ListParams<Filter>; result: Page<Listed> };
  get: { params: { id: string }; result: Item };
  create: { params: Create; result: Item };
  update: { params: UpdateParams<Set>; result: Item };
  delete: { params: DeleteParams; result: { id: string } };
}
/** The same of an entity whose rows have no `updatedAt`: there is nothing that `ifUpdatedAt` could be compared with. */
export interface UnversionedCrud<Item, Listed, Filter, Create, Set>
  extends Omit<Crud<Item, Listed, Filter, Create, Set>, "update" | "delete"> {
  update: { params: { id: string; set: Set }; result: Item };
  delete: { params: { id: string }; result: { id: string } };
}
export type Prefixed<Name extends string, Methods> = {
  [Verb in keyof Methods & string as `${Name}.${Verb}`]: Methods[Verb];
};
