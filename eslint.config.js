/** Lint: type-aware, and the rules of the house that need no program of their own. The others are tests in tools/. */
import js from '@eslint/js'
import tseslint from 'typescript-eslint'

/** `any` is a type argument or part of a constraint, where variance asks for it; a container of `any` is a leak. */
const anyRules = [
  {
    selector:
      'TSAnyKeyword:not(TSTypeParameterInstantiation > TSAnyKeyword, TSTypeParameter TSAnyKeyword, TSConditionalType TSAnyKeyword)',
    message: '`any` only as a type argument or in a constraint, where variance needs it. Elsewhere: `unknown`.',
  },
  {
    selector:
      'TSTypeReference[typeName.name=/^(Array|ReadonlyArray|Promise|Record|Map|Set)$/] > TSTypeParameterInstantiation > TSAnyKeyword:not(TSConditionalType TSAnyKeyword)',
    message: 'A container of `any` is no variance position. Say what it holds, or `unknown`.',
  },
]

export default tseslint.config(
  { ignores: ['**/dist/', '**/node_modules/', 'docs/', 'bench/', 'coverage/'] },
  js.configs.recommended,
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.recommendedTypeChecked],
    languageOptions: { parserOptions: { project: './tsconfig.json', tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': ['error', { checksVoidReturn: { arguments: false } }],
      '@typescript-eslint/consistent-type-imports': ['error', { disallowTypeAnnotations: false }],
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', ignoreRestSiblings: true }],
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
      '@typescript-eslint/no-explicit-any': 'off',
      'no-restricted-syntax': ['error', ...anyRules],
      // A port is asynchronous even where one adapter of it is not.
      '@typescript-eslint/require-await': 'off',
      eqeqeq: 'error',
      'no-console': 'off',
    },
  },
  {
    files: ['packages/core/src/**/*.ts'],
    // Without a logger, what an operator must see is printed by one file.
    ignores: ['**/*.test.ts', 'packages/core/src/base/log.ts'],
    rules: { 'no-console': 'error' },
  },
  {
    files: ['**/*.test.ts', '**/*.test-d.ts', 'packages/*/test/**', 'tests/**'],
    rules: {
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/no-unsafe-call': 'off',
      '@typescript-eslint/no-unsafe-return': 'off',
      '@typescript-eslint/unbound-method': 'off',
      '@typescript-eslint/only-throw-error': 'off',
      '@typescript-eslint/prefer-promise-reject-errors': 'off',
    },
  },
  {
    files: ['**/*.js', '**/*.mjs'],
    languageOptions: { globals: { console: 'readonly', process: 'readonly', URL: 'readonly', setTimeout: 'readonly' } },
  },
)
