// As much of a browser's XMLHttpRequest as BOSH clients use, over fetch.
import { DOMParser } from '@xmldom/xmldom'

export class XMLHttpRequest {
  readyState = 0
  status = 0
  responseText = ''
  responseXML = null
  onreadystatechange = null
  #abort = new AbortController()
  #headers = {}
  #answer = null

  open(method, url) {
    this.method = method
    this.url = url
    this.readyState = 1
  }
  setRequestHeader(name, value) { this.#headers[name] = value }
  getAllResponseHeaders() { return this.#answer ? [...this.#answer.headers].map(([n, v]) => `${n}: ${v}`).join('\r\n') : '' }
  abort() { this.#abort.abort() }

  async send(body) {
    try {
      this.#answer = await fetch(this.url, { method: this.method, body, headers: this.#headers, signal: this.#abort.signal })
      this.responseText = await this.#answer.text()
      if (this.responseText) this.responseXML = new DOMParser().parseFromString(this.responseText, 'text/xml')
      this.status = this.#answer.status
    } catch {
      this.status = 0
    }
    this.readyState = 4
    this.onreadystatechange?.()
  }
}
