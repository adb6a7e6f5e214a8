import * as fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { parseArray, serializeArray } from '../../sql/arrays.ts'

test('what is written as an array is read back as it was', () => {
  const item = fc.oneof(
    fc.string(),
    fc.string({ unit: 'binary' }),
    fc.constantFrom('NULL', 'null', '{', '}', ',', '"', '\\', '', ' '),
    fc.constant(null),
  )
  const array = fc.oneof(fc.array(item), fc.array(fc.array(item, { minLength: 2, maxLength: 2 })))
  fc.assert(
    fc.property(array, (value) => {
      // As PostgreSQL would write it: a null is in capitals.
      assert.equal(parseArray(serializeArray(value).replace(/(?<=[{,])null(?=[,}])/g, 'NULL')), value)
    }),
  )
})

test('numbers stand bare, and are read back', () => {
  assert.is(serializeArray([1, -2.5, null, 1e21]), '{1,-2.5,null,1e+21}')
  const array = fc.array(fc.oneof(fc.double(), fc.integer()), { minLength: 1 })
  fc.assert(
    fc.property(array, (value) =>
      assert.equal(
        parseArray(serializeArray(value), Number),
        value.map((one) => one + 0),
      ),
    ),
  )
})

test('an array that does not begin at one is read', () => {
  assert.equal(parseArray('[0:1]={1,2}', Number), [1, 2])
})

test.run()
