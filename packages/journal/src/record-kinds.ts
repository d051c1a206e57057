/** How the column of kinds packs what a record is: the kind in the low seven bits. */
export const KIND_MASK = 0x7f;
/** The high bit says that the record answers a request. */
export const ANSWERS_REQUEST = 0x80;
